#!/bin/bash
# moto.sh PORT: moto, a double of the AWS APIs, on 127.0.0.1:PORT, any keys will do. Up in about a second.
# It ends with its standard input, and nothing is left: it runs in a mount and pid namespace of its own. It never verifies signatures or checksums.
set -euo pipefail
port=${1:?usage: moto.sh PORT}
root=$("$(dirname "$0")/root.sh")
exec unshare --mount --propagation private --pid --fork --kill-child bash -euc '
  mount -t proc proc "$1/proc"; mount --rbind /dev "$1/dev"; mount -t tmpfs tmpfs "$1/tmp"
  export MOTO_IAM_LOAD_MANAGED_POLICIES=true
  # CloudFormation loads every service, and that of API Gateway a package that the root lacks: nothing here comes near it.
  spec=$1/tmp/lib/openapi_spec_validator
  mkdir -p "$spec/validation"
  echo "validate_spec = None" >"$spec/__init__.py"
  echo "OpenAPIValidationError = Exception" >"$spec/validation/exceptions.py"
  export PYTHONPATH=/tmp/lib
  exec 3<&0
  chroot "$1" /usr/bin/moto_server -H 127.0.0.1 -p "$2" &
  cat <&3 >/dev/null &
  wait -n' - "$root" "$port"
