#!/bin/sh
# Writes the passwords and the token of one installation into a folder: once, random, each file readable by its one reader only.
# Runs as root in docker-compose.yaml (service "secrets") so that it can give every file to the user that reads it.
# usage: secrets.sh FOLDER
set -eu

folder=${1:?usage: secrets.sh FOLDER}
mysql=999:999 # the users of the images
rushhour=1000:1000
grafana=472:0

umask 077
mkdir -p "$folder"
chmod 711 "$folder" # a reader opens its own file by name

# 190 bits; letters and digits need no quoting in URLs, YAML or SQL
password() { LC_ALL=C tr -dc 'A-Za-z0-9' </dev/urandom | head -c 32; }

# write NAME OWNER VALUE: what is there stays, and nobody ever sees half a file
write() {
  if [ ! -s "$folder/$1" ]; then
    printf '%s\n' "$3" >"$folder/.$1"
    chmod 400 "$folder/.$1"
    if [ "$(id -u)" = 0 ]; then chown "$2" "$folder/.$1"; fi
    mv -f "$folder/.$1" "$folder/$1"
  fi
}

write mysql_root_password "$mysql" "$(password)"
write mysql_reader_password "$grafana" "$(password)"
write grafana_admin_password "$grafana" "$(password)"
write api_admin_token "$rushhour" "$(password)"
write api_session_key "$rushhour" "$(password)"
write mysql_url "$rushhour" "mysql://root:$(cat "$folder/mysql_root_password")@mysql:3306/monitoring"
write mysql_writer_url "$rushhour" "mysql://rushhour_writer:$(password)@mysql:3306/monitoring"
write mysql_reader_url "$rushhour" "mysql://rushhour_reader:$(cat "$folder/mysql_reader_password")@mysql:3306/monitoring"

cat <<END
Grafana  http://127.0.0.1:3000  anyone may look; to change things sign in as admin with what this prints:
         docker compose exec grafana cat $folder/grafana_admin_password
MySQL    127.0.0.1:3307, database monitoring, user rushhour_reader with the password in
         docker compose exec grafana cat $folder/mysql_reader_password
API      http://127.0.0.1:8000/docs  anyone may use it; faults are started at /__admin/faults with the bearer token in
         docker compose exec api cat $folder/api_admin_token
END
