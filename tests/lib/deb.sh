# shellcheck shell=sh
# Real release trees: Debian packages, fetched once into tests/bench/cache.

# The versions of a package that the archive has today, oldest first, one a line.
deb_versions() { # PACKAGE
	apt-cache madison "$1" 2>/dev/null | awk -F '|' '{ gsub(/ /, "", $2); print $2 }' | sort -u |
		while read -r _version; do
			# sorted by dpkg's rules: a version's place is the number of those below it
			_below=0
			for _other in $(apt-cache madison "$1" | awk -F '|' '{ gsub(/ /, "", $2); print $2 }' | sort -u); do
				dpkg --compare-versions "$_other" lt "$_version" && _below=$((_below + 1))
			done
			echo "$_below $_version"
		done | sort -n | sed 's/^[0-9]* //'
}

# Removes what tagship refuses by design: set-uid and set-gid files, devices, sockets and pipes,
# links out of the tree. Prints how many there were.
deb_strip() { # DIR
	find "$1" \( -type f -perm /6000 -o ! -type f ! -type d ! -type l \) -print -delete > "$1.stripped"
	_top=$(realpath "$1")
	find "$_top" -type l | while read -r _link; do
		_target=$(readlink "$_link")
		case $_target in
		/*) ;;
		*)
			case $(realpath -m "$(dirname "$_link")/$_target")/ in "$_top"/*) continue ;; esac
			;;
		esac
		echo "$_link"
		rm "$_link"
	done >> "$1.stripped"
	wc -l < "$1.stripped"
}

deb_tree() { # PACKAGE VERSION: prints the folder of the unpacked package
	_cache=$TOP/tests/bench/cache
	_dir=$_cache/deb-$1-$(echo "$2" | tr ':~+' '___')
	if [ ! -d "$_dir" ]; then
		rm -rf "$_dir.part"
		mkdir -p "$_dir.part/package"
		(cd "$_dir.part" && apt-get download -qq "$1=$2" > /dev/null 2>&1 && dpkg-deb -x ./*.deb package &&
			rm ./*.deb && deb_strip package > stripped) || return 1
		mv "$_dir.part" "$_dir"
	fi
	echo "$_dir/package"
}
