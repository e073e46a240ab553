#!/bin/sh
# Starts Nginx in a container and keeps its list of instances true, for `docker compose up --scale app=5`.
#
#   every second: the addresses that Docker's DNS has for the service `app`
#     a new one joins when it says that it is ready; one that is gone leaves
#     -> upstream.conf, from the template with their addresses in it -> Nginx reloads, and drops no connection
#
# If there are no addresses at all the last list stays: what is back at an old address works at once.
set -u
template=${UPSTREAM_TEMPLATE:-/etc/nginx/upstream.template.conf}
service=${APP_SERVICE:-app}
port=${APP_PORT:-8080}
options=$(sed -n 's/^ *server [^ ;]*//p' "$template" | head -n 1)
known=''

addresses() {
  getent ahostsv4 "$service" | cut -d ' ' -f 1 | sort -u
}

is_ready() {
  curl --silent --fail --output /dev/null --max-time 1 "http://$1:$port/readyz"
}

# Sets $found: what Nginx should know now.
look() {
  found=''
  for address in $(addresses); do
    case " $known " in
      *" $address "*) found="$found $address" ;;
      *) is_ready "$address" && found="$found $address" ;;
    esac
  done
  found=${found# }
}

write_upstream() {
  {
    sed '/^ *server /d; /^}/d' "$template"
    for address in $1; do echo "  server $address:$port$options"; done
    [ -n "$1" ] || echo '  server 127.0.0.1:1 down;'
    echo '}'
  } >/etc/nginx/upstream.conf
  known=$1
}

follow() {
  while sleep 1; do
    look
    [ -n "$found" ] && [ "$found" != "$known" ] || continue
    write_upstream "$found"
    echo "instances: $known"
    kill -HUP 1
  done
}

look
write_upstream "$found"
echo "instances: ${known:-none yet}"
follow &
exec nginx -g 'daemon off;'
