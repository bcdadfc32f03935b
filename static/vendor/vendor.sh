#!/bin/sh
# Copies the page's libraries from npm into this directory, byte for byte, each under its exact version, with its licence.
# `make vendor` runs it. What it copies is committed, so that neither a visitor nor an image build needs npm.
# The checksums are of the published archives: an archive that differs stops the script before anything is replaced.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fetch NAME VERSION SHA512: the unpacked package in $work/NAME
fetch() {
    (cd "$work" && npm pack --silent "$1@$2" >/dev/null)
    echo "$3  $work/$1-$2.tgz" | sha512sum --check --quiet
    mkdir "$work/$1"
    tar -xzf "$work/$1-$2.tgz" -C "$work/$1" --strip-components=1
}

# keep NAME VERSION FILE...: those files of the package, replacing any other version of it
keep() {
    name=$1 version=$2
    shift 2
    rm -rf "$name"-[0-9]*
    for file in LICENSE "$@"; do
        mkdir -p "$name-$version/$(dirname "$file")"
        cp "$work/$name/$file" "$name-$version/$file"
        chmod 644 "$name-$version/$file"
    done
}

fetch lit-html 3.3.3 7a5f0cea32b6a37457067ad21d7dd92abb0df33115eb7a521314ced70609cfb427746619f37e777b66b93cf5fea877b66866b27e7721426900a2369601110e20
fetch socket.io-client 4.8.4 ef08ca02f55760e26c6e65209166e784f0f86c5a64aab511d3ef973a3a46166a83aaca95d4223ddd54eb69e1312f1a63c44aab5a016849166ed628632d67e400
fetch uplot 1.6.32 2883159c6ebccefbb95d751b0b82d010f9e1c0ec41b8bc96d401eda66e882935c89a46cb824332fa369b8cb8122cc6ac36e186cd09bf7a9ded3a4c93c6989023
keep lit-html 3.3.3 lit-html.js directive.js directive-helpers.js directives/repeat.js directives/guard.js
keep socket.io-client 4.8.4 dist/socket.io.esm.min.js
keep uplot 1.6.32 dist/uPlot.iife.min.js
