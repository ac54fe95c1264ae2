# machine-enter.pl: the last step of `machine container`, `boot` and `exec`. It runs in the new pid namespace while it still
# sees the host's files and the host's /proc, and needs nothing of the machine's root, which may be empty.
#   machine-enter.pl container|boot HOSTNAME [COMMAND [ARG…]]     machine-enter.pl exec INIT COMMAND [ARG…]
use strict;
use warnings;
use POSIX ();

my %number = (POSIX::uname())[4] eq "aarch64"
    ? (mount => 40, umount2 => 39, pivot_root => 41, sethostname => 161, setns => 268)
    : (mount => 165, umount2 => 166, pivot_root => 155, sethostname => 170, setns => 308);
use constant { MS_NOSUID => 2, MS_NODEV => 4, MS_NOEXEC => 8, MNT_DETACH => 2, CLONE_NEWNS => 0x20000 };

sub call {
    my $name = shift;
    syscall($number{$name}, @_) == 0 or die "machine: $name: $!\n";
}

my ($verb, $where, @command) = @ARGV;

# The host's pid of this process: the host's /proc is here until the root changes.
open my $stat, "<", "/proc/self/stat" or die "machine: /proc: $!\n";
my ($pid) = <$stat> =~ /^(\d+)/;

if ($verb eq "exec") {
    open my $mounts, "<", "/proc/$where/ns/mnt" or die "machine: $where: $!\n";
    call("setns", fileno $mounts, CLONE_NEWNS);
} else {
    my ($root) = map { "$_/root" } grep { -d "$_/root" && -d "$_/upper" } qw(/mnt /media /srv);
    chdir $root or die "machine: $root: $!\n";
    if ($where eq "" && open my $file, "<", "etc/hostname") { chomp($where = <$file>) }
    call("sethostname", $where, length $where);
    my ($proc, $target, $here) = ("proc", "$root/proc", ".");
    call("mount", $proc, $target, $proc, MS_NOSUID | MS_NODEV | MS_NOEXEC, 0);
    call("pivot_root", $here, $here);
    call("umount2", $here, MNT_DETACH);    # the host's files are out of sight
}
chdir "/";
# The caller hears of it only now: who enters a "boot" before its root has changed is on the host's.
if (open my $out, ">&=", 3) { syswrite $out, "$pid\n"; close $out }
if ($verb eq "boot") {
    for (;;) { sleep 1 if waitpid(-1, 0) < 0 }
}
# The command gets 0, 1 and 2 only: another descriptor of the host's, in a task's hands, could not be carried anywhere.
opendir my $open, "/proc/self/fd" or die "machine: /proc/self/fd: $!\n";
POSIX::close($_) for grep { /^\d+$/ && $_ > 2 } readdir $open;
{ no warnings; exec { $command[0] } @command; }
print STDERR "machine: $command[0]: $!\n";
POSIX::_exit(127);
