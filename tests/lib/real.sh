# shellcheck shell=sh
# Bases with the servers that people have, by the example configurations. After world.sh.
EXAMPLES=$TOP/config/examples

# An example with the paths and the port of this world.
real_example() { # FILE APP PORT
	sed -e "s|/srv/$2|$W/haikou/app|g; s|127.0.0.1:8080|127.0.0.1:$3|g; s|port=\"8080\"|port=\"$3\"|" \
		-e "s|\"systemctl\"|\"$LIB/service\", \"$W/haikou\"|; s|/usr/local/bin|$W/haikou/bin|g" \
		-e "s|^systemctl |'$LIB/service' '$W/haikou' |" "$EXAMPLES/$1"
}

# The base haikou with an app as in base-EXAMPLE.cfg.
real_base() { # EXAMPLE APP
	PORT=$(world_port)
	world_base haikou Asia/Shanghai || return 1
	mkdir -p "$W/haikou/bin"
	echo "$PORT" > "$W/port-haikou"
	_file=$W/haikou/root/base.cfg
	sed -i '/^apps = (/,$d' "$_file"
	real_example "base-$1.cfg" "$2" "$PORT" >> "$_file"
}

# nginx as its own user, in the foreground.
real_nginx() {
	mkdir -p "$W/nginx"
	{
		echo 'daemon off; worker_processes 2;'
		[ "$(id -u)" != 0 ] || echo "user $(id -un);"
		cat <<END
pid $W/nginx/pid;
error_log $W/nginx/error.log;
events { }
http {
	access_log off;
	types { text/html html; text/css css; text/javascript js; application/json json; }
	keepalive_requests 1000000;
	client_body_temp_path $W/nginx; proxy_temp_path $W/nginx; fastcgi_temp_path $W/nginx;
	uwsgi_temp_path $W/nginx; scgi_temp_path $W/nginx;
END
		real_example nginx-docs.conf docs "$PORT"
		echo '}'
	} > "$W/nginx/nginx.conf"
	world_start nginx nginx -p "$W/nginx" -e "$W/nginx/error.log" -c "$W/nginx/nginx.conf"
	world_wait 10 curl -s -o /dev/null "http://127.0.0.1:$PORT/" || { cat "$W/nginx/error.log" >&2; return 1; }
}
