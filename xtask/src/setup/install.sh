# Installs Debian packages; none of them may start, enable or change a service of this host.
# usage: sh install.sh "SERVICE ..." PACKAGE ...
set -eu
prefix=${ODOOPACK_SETUP_PREFIX:-}
policy=$prefix/usr/sbin/policy-rc.d
cluster=$prefix/etc/postgresql-common/createcluster.conf
shipped=$prefix/usr/share/postgresql-common/createcluster.conf
kept=$cluster.kept-by-odoopack
mark='made by odoopack: cargo xtask setup'
services=$1
shift

# Removes only what carries our mark, so that it also heals what a killed run left.
put_back() {
    if grep -qs "$mark" "$policy"; then rm -f "$policy"; fi
    if [ -e "$kept" ]; then
        mv -f "$kept" "$cluster"
    elif grep -qs "$mark" "$cluster"; then
        # Ours was there first, so the shipped one was put beside it.
        rm -f "$cluster.ucf-dist"
        if [ -e "$shipped" ]; then cp "$shipped" "$cluster"; else rm -f "$cluster"; fi
    fi
}
trap put_back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
put_back

if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" >"$policy"
    chmod 755 "$policy"
fi
case " $* " in *' postgresql '*)
    mkdir -p "${cluster%/*}"
    if [ -e "$cluster" ]; then cp -p "$cluster" "$kept.new" && mv "$kept.new" "$kept"; fi
    printf '\n# %s\ncreate_main_cluster = false\n' "$mark" >>"$cluster"
esac
fresh=
for service in $services; do [ -e "$prefix/etc/init.d/$service" ] || fresh="$fresh $service"; done

DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold \
    install -y -q --no-install-recommends "$@" </dev/null

# Not started now, and not at the next boot either.
for service in $fresh; do
    if command -v update-rc.d >/dev/null && [ -e "$prefix/etc/init.d/$service" ]; then update-rc.d "$service" disable; fi
done
