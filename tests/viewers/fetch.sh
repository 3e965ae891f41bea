#!/usr/bin/env bash
# Fetch the viewer that tests/viewers looks with into .cache/viewers: OHIF as its makers built it,
# and what drives a browser. Pinned, checked against the digests of the registry, kept between runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=.cache/viewers
mkdir -p "$cache"

# fetch PACKAGE VERSION SHA512 FOLDER [PART OF THE PACKAGE]
fetch() {
  local package=$1 version=$2 digest=$3 folder=$cache/$4 part=package/${5:-}
  [ "$(cat "$folder/.digest" 2>/dev/null)" = "$digest" ] && return
  local work
  work=$(mktemp -d "$cache/fetching.XXXXXX")
  local file
  file=$work/$(npm pack --silent --pack-destination "$work" "$package@$version")
  if [ "$(openssl dgst -sha512 -binary "$file" | base64 -w0)" != "$digest" ]; then
    echo "$package $version is not the package that was pinned" >&2
    rm -r "$work"
    return 1
  fi
  tar -xzf "$file" -C "$work" --exclude='*.map' "${part%/}"
  echo "$digest" > "$work/package/.digest"
  rm -rf "$folder"
  mv "$work/package" "$folder"
  rm -r "$work"
}

fetch @ohif/app 3.13.2 \
  WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA== ohif dist
fetch playwright-core 1.56.1 \
  hutraynyn31F+Bifme+Ps9Vq59hKuUCz7H1kDOcBs+2oGguKkWTU50bBWrtz34OUWmIwpBTWDxaRPXrIXkgvmQ== playwright-core
