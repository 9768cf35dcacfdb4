"""``python -m webcloud.proxy`` starts the console proxy."""

from webcloud.proxy.server import main

if __name__ == "__main__":
    main()
