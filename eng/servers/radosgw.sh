#!/bin/bash
# radosgw.sh PORT: a throw-away one-node Ceph with its S3 gateway on 127.0.0.1:PORT, key "test", secret "testtest".
# About 15 s until it answers. It ends with its standard input, and nothing is left: data and state lie in a tmpfs, all daemons in a mount
# and pid namespace of their own. With auth none the gateway hangs without ms_mon_client_mode=crc.
set -euo pipefail
port=${1:?usage: radosgw.sh PORT}
root=$("$(dirname "$0")/root.sh")
exec unshare --mount --propagation private --pid --fork --kill-child bash -euc '
root=$1 port=$2 state=/state
mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"; mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o size=75% tmpfs "$root$state"; mkdir -p "$root$state"/{run,log,mon,osd0}
free_port() { while :; do p=$((20000 + RANDOM % 10000)); (: </dev/tcp/127.0.0.1/$p) 2>/dev/null || { echo $p; return; }; done; }
mon="[v2:127.0.0.1:$(free_port),v1:127.0.0.1:$(free_port)]"
fsid=$(cat /proc/sys/kernel/random/uuid)
cat >"$root$state/ceph.conf" <<C
[global]
fsid=$fsid
mon_initial_members=a
mon_host=$mon
public_addr=127.0.0.1
cluster_addr=127.0.0.1
auth_cluster_required=none
auth_service_required=none
auth_client_required=none
run_dir=$state/run
admin_socket=$state/run/\$name.asok
pid_file=$state/run/\$name.pid
log_file=$state/log/\$name.log
osd_pool_default_size=1
osd_pool_default_min_size=1
osd_pool_default_pg_num=8
osd_pool_default_pg_autoscale_mode=off
mon_allow_pool_size_one=true
mon_warn_on_pool_no_redundancy=false
osd_crush_chooseleaf_type=0
mon_max_pg_per_osd=1000
osd_objectstore=memstore
memstore_device_bytes=2147483648
ms_bind_ipv6=false
[mon.a]
mon_data=$state/mon
[osd.0]
osd_data=$state/osd0
osd_class_load_list=*
osd_class_default_list=*
[client.rgw]
rgw_frontends=beast endpoint=127.0.0.1:$port tcp_nodelay=1
rgw_enable_apis=s3,admin
ms_mon_client_mode=crc
rgw_thread_pool_size=64
C
inside() { chroot "$root" "$@"; }
c="-c $state/ceph.conf"
inside monmaptool $c --create --fsid "$fsid" --addv a "$mon" $state/monmap >/dev/null
inside ceph-mon $c --mkfs -i a --monmap $state/monmap >/dev/null
inside ceph-mon $c -i a
osd=$(cat /proc/sys/kernel/random/uuid)
inside ceph $c osd new "$osd" >/dev/null
echo "$osd" >"$root$state/osd0/fsid"
inside ceph-osd $c -i 0 --mkfs --osd-uuid "$osd" >/dev/null 2>&1
inside ceph-osd $c -i 0 >/dev/null
until inside ceph $c osd stat 2>/dev/null | grep -q "1 up"; do sleep 0.2; done
inside timeout 60 radosgw-admin $c -n client.rgw user create --uid=test --display-name=test --access-key=test --secret=testtest >/dev/null
exec 3<&0
chroot "$root" radosgw $c -n client.rgw -f &
cat <&3 >/dev/null &
wait -n' - "$root" "$port"
