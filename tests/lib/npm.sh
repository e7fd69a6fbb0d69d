# shellcheck shell=sh
# Real release trees: npm packages, fetched once into tests/bench/cache.
npm_tree() { # PACKAGE VERSION: prints the folder of the unpacked package
	_cache=$TOP/tests/bench/cache
	_dir=$_cache/$(echo "$1" | tr / -)-$2
	if [ ! -d "$_dir" ]; then
		mkdir -p "$_dir.part"
		(cd "$_dir.part" && npm pack --silent "$1@$2" > /dev/null && tar xzf ./*.tgz && rm ./*.tgz) || return 1
		mv "$_dir.part" "$_dir"
	fi
	echo "$_dir/package"
}
