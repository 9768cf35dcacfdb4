"""The operations on images, one file each: import_image and delete_image."""
