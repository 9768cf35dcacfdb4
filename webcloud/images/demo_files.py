"""What runs inside the demo image: busybox's init table and four small scripts.

``etc/rc`` starts the guest and says "webcloud demo ready"; ``etc/config-drive``
reads the OpenStack config drive and prints what it found (it never runs any
of it); ``etc/dhcp`` applies a DHCP lease; the power button ends the guest at
once, because it keeps everything in memory and has nothing to write back.
"""

from __future__ import annotations

INITTAB = """\
::sysinit:/etc/rc
ttyS0::respawn:-/bin/sh
tty1::respawn:-/bin/sh
::ctrlaltdel:/bin/busybox reboot -f
"""

PROFILE = """\
export PATH=/bin:/sbin HOME=/root TERM=linux PS1='root@\\h:\\w# '
[ -n "$WEBCLOUD_GREETED" ] || cat /etc/issue
export WEBCLOUD_GREETED=1
alias poweroff='poweroff -f' reboot='reboot -f' halt='poweroff -f'
cd /root
"""

RC = """\
#!/bin/busybox sh
export PATH=/bin:/sbin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox --install -s /bin
while read module; do insmod "/lib/modules/$module" 2>/dev/null; done </lib/modules/order
hostname demo
ip link set lo up
acpid -l /run/acpid.log -p /run/acpid.pid
/etc/config-drive >/run/metadata
nic=$(ls -d /sys/class/net/e* 2>/dev/null | head -n 1)
nic=${nic##*/}
if [ -n "$nic" ]; then
    ip link set "$nic" up
    udhcpc -b -t 8 -T 1 -i "$nic" -s /etc/dhcp -x "hostname:$(hostname)" >/run/udhcpc.log 2>&1
fi
address=$(cat /run/address 2>/dev/null)
ready="webcloud demo ready: $(hostname) ${address:-no-address}"
{
    echo
    cat /run/metadata
    echo "$ready"
    echo "You are root in a small Linux that runs from memory. poweroff and reboot work."
    echo
} >/etc/issue
# The kernel's progress messages would otherwise write over the prompt.
dmesg -n 1
"""

CONFIG_DRIVE = """\
#!/bin/busybox sh
# One value of the config drive's JSON: printed, cut to a safe alphabet, never run.
value() {
    grep -o "\\"$1\\": *\\"[^\\"]*\\"" /run/meta_data.json | head -n 1 |
        sed -e 's/^[^:]*: *"//' -e 's/"$//' | tr -cd 'A-Za-z0-9._:/+=@ -' | cut -c 1-200
}
# The volume's name is at a fixed place of every ISO 9660 file system.
drive=
for device in /dev/sr[0-9] /dev/vd[a-z] /dev/sd[a-z]; do
    label=$(dd if="$device" bs=8 skip=4101 count=1 2>/dev/null)
    case "$label" in config-2 | CONFIG-2) drive=$device && break ;; esac
done
if [ -z "$drive" ]; then
    echo "metadata: no config drive"
    exit 0
fi
mkdir -p /mnt/config
if ! mount -t iso9660 -o ro "$drive" /mnt/config; then
    echo "metadata: the config drive $drive cannot be read"
    exit 0
fi
cat /mnt/config/openstack/latest/meta_data.json 2>/dev/null >/run/meta_data.json
name=$(value hostname)
[ -n "$name" ] && hostname "${name%%.*}"
echo "metadata: config drive $drive"
echo "metadata: hostname ${name:-not given}"
echo "metadata: instance id $(value uuid)"
grep -o '\\(ssh-[a-z0-9]*\\|ecdsa-[a-z0-9-]*\\|sk-[a-z0-9@.-]*\\) [A-Za-z0-9+/=]*' \\
    /run/meta_data.json | sort -u | cut -c 1-60 | sed 's/^/metadata: ssh key /'
[ -s /mnt/config/openstack/latest/user_data ] &&
    echo "metadata: user data, $(wc -c </mnt/config/openstack/latest/user_data) bytes (not run)"
exit 0
"""

DHCP = """\
#!/bin/busybox sh
export PATH=/bin:/sbin
case "$1" in
deconfig)
    ip addr flush dev "$interface"
    ;;
bound | renew)
    ip addr replace "$ip/${mask:-24}" dev "$interface"
    for gateway in $router; do
        ip route replace default via "$gateway" dev "$interface"
        break
    done
    : >/etc/resolv.conf
    for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
    echo "$ip" >/run/address
    ;;
esac
"""

POWER_BUTTON = """\
#!/bin/busybox sh
echo "webcloud demo: power button pressed, switching off" >/dev/console
exec /bin/busybox poweroff -f
"""

SCRIPTS = {
    "etc/rc": RC,
    "etc/config-drive": CONFIG_DRIVE,
    "etc/dhcp": DHCP,
    "etc/acpi/PWRF/00000080": POWER_BUTTON,
}

TEXTS = {
    "etc/inittab": INITTAB,
    "etc/profile": PROFILE,
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\n",
}
