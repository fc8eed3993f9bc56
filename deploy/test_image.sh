#!/usr/bin/env bash
# Builds Dockerfile.cuda and runs the demo in it, as a cluster would: no engine is needed beside these packages.
#
#   sudo apt-get install buildah podman runc debootstrap
#   sudo deploy/test_image.sh FOLDER      # keeps its images in FOLDER; about 5 minutes the first time
#
# BASE_IMAGE      take this one, instead of a Debian made by debootstrap
# BUILD_OPTIONS   for buildah, such as this machine's pip configuration: -v /etc/pip.conf:/etc/pip.conf:ro
# SUITE, MIRROR   of Debian
set -euo pipefail
folder=$(realpath -m "${1:?usage: deploy/test_image.sh FOLDER}")
source=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$folder"
cd "$folder"
store=(--root "$folder/store" --runroot "$folder/run" --storage-driver vfs)
read -ra build_options <<<"${BUILD_OPTIONS:-}"

say() { printf '%s\n' "== $*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

if [ -z "${BASE_IMAGE:-}" ]; then
  BASE_IMAGE=localhost/debian:base
  if ! buildah "${store[@]}" inspect --type image "$BASE_IMAGE" >/dev/null 2>&1; then
    say "base image, by debootstrap"
    [ -d rootfs ] || debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
      "${SUITE:-bookworm}" rootfs ${MIRROR:+"$MIRROR"} >debootstrap.log
    container=$(buildah "${store[@]}" from scratch)
    mount=$(buildah "${store[@]}" mount "$container")
    cp -a rootfs/. "$mount/"
    buildah "${store[@]}" umount "$container" >/dev/null
    buildah "${store[@]}" config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah "${store[@]}" commit -q "$container" "$BASE_IMAGE" >/dev/null
    buildah "${store[@]}" rm "$container" >/dev/null
  fi
fi

say "build"
start=$SECONDS
buildah "${store[@]}" bud --isolation chroot --pull-never --build-arg BASE_IMAGE="$BASE_IMAGE" "${build_options[@]}" \
  -t gpudepth:test -f "$source/Dockerfile.cuda" "$source" >build.log 2>&1 || { tail -20 build.log >&2; fail build; }
say "built in $((SECONDS - start)) s, $(buildah "${store[@]}" images --format '{{.Size}}' gpudepth:test)"

podman() { command podman "${store[@]}" --cgroup-manager cgroupfs --events-backend none --runtime runc "$@"; }
confined=(--ulimit nofile=1024:1024 --ulimit nproc=1000:1000 --network none --read-only --tmpfs /tmp
  --cap-drop ALL --security-opt no-new-privileges --memory 1g)
image=localhost/gpudepth:test

say "who, where, what"
podman run --rm "${confined[@]}" --entrypoint python3 "$image" -c '
import os
assert os.getuid() == 10001, os.getuid()
try:
    open("/opt/gpudepth/x", "w")
except OSError as error:
    assert error.errno in (13, 30), error    # no right, or read-only
else:
    raise SystemExit("the root can be written")
assert os.environ["NVIDIA_DRIVER_CAPABILITIES"] == "compute,video,utility"
assert "CapEff:\t0000000000000000" in open("/proc/self/status").read()
import cupy' || fail "user, root, capabilities or CuPy"
podman run --rm "${confined[@]}" "$image" --version || fail "entry point"
podman run --rm "${confined[@]}" "$image" doctor >doctor.log || fail "doctor: $(cat doctor.log)"

say "the demo"
rm -rf data
mkdir -m 0777 data
start=$SECONDS
podman run --rm "${confined[@]}" -v "$folder/data:/data" "$image" demo /data/demo >demo.log || fail "demo: $(cat demo.log)"
tail -4 demo.log | head -1
say "demo in $((SECONDS - start)) s"
[ "$(find data/demo/heic -name '*.heic' | wc -l)" = 12 ] || fail "not 12 photos"

say "SIGTERM"
ledger=data/demo/again/gpudepth-ledger.jsonl
podman run -d --name gpudepth-stop "${confined[@]}" -v "$folder/data:/data" "$image" run /data/demo/demo.yaml \
  --set 'output.path=again/{stem}.heic' --set run.workers=1 >/dev/null
for _ in $(seq 600); do
  [ -s "$ledger" ] && break
  sleep 0.1
done
before=$(date +%s%N)
podman kill --signal TERM gpudepth-stop >/dev/null
status=$(podman wait gpudepth-stop)
say "status $status after $((($(date +%s%N) - before) / 1000000)) ms, $(wc -l <"$ledger") of 12 done"
podman rm gpudepth-stop >/dev/null
[ "$status" = 143 ] || fail "status $status, not 143"
[ -z "$(find data -name '.gpudepth-*')" ] || fail "something half written is left"

say "and on it goes"
podman run --rm "${confined[@]}" -v "$folder/data:/data" "$image" run /data/demo/demo.yaml \
  --set 'output.path=again/{stem}.heic' -q >/dev/null || fail "resume"
for photo in data/demo/heic/*.heic; do
  cmp "$photo" "data/demo/again/${photo##*/}" || fail "other bytes"
done
say "well"
