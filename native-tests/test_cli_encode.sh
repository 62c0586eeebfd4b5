#!/bin/sh
# Encoding pictures and sounds on the command line: sh test_cli_encode.sh FERRY SOURCE_DIR
set -u
ferry=$1
golden=$2/native-tests/golden
. "$2/native-tests/expect.sh"

model=$golden/tiny-bert/gelu-mean
echo '{"id":"a","domain":"things","title":"A wooden spoon"}' >"$work/items.jsonl"

# ---- pictures ----
pictures="$ferry encode --model $golden/tiny-efficientnet"
expect 0 '{"id":"1","embedding":[' $pictures --image "$golden/images/rgb.png" --image "$golden/images/cmyk.jpg"
expect 0 '{"id":"0","embedding":[' $pictures --image "$golden/images/mislabelled.png" --image-fit model
expect 1 "picture.gif: a GIF" $pictures --image "$golden/images/picture.gif"
expect 1 "/no/such" $pictures --image /no/such.png
expect 1 "items.jsonl: begins with" $pictures --image "$work/items.jsonl"
expect 1 "this model encodes texts" "$ferry" encode --model "$model" --image "$golden/images/rgb.png"
expect 1 "this model encodes pictures" $pictures --text x
expect 1 '"tiny-efficientnet" does not encode texts' "$ferry" catalog --text-model "$golden/tiny-efficientnet" \
    --items "$work/items.jsonl" --out "$work/three"
expect 1 "without a classifier" "$ferry" encode --model "$golden/tiny-vit/clip" --logits --image "$golden/images/rgb.png"
expect 2 'expected pad or model' $pictures --image x --image-fit stretch
expect 2 "one of them" $pictures --image x --text y
# ---- texts and pictures in one space ----
for kind in clip siglip; do
    both="$ferry encode --model $golden/tiny-pairs/$kind"
    expect 0 '"embedding":[' $both --text "a cat"
    expect 0 '"embedding":[' $both --image "$golden/images/rgb.png"
    expect 0 '{"id":"0","labels":{"a ' $both --image "$golden/images/rgb.png" --label "a cat" --label "a dog"
    expect 0 "" $both --image "$golden/images/rgb.png" --label a --out "$work/labels.safetensors"
    expect 0 '"probabilities":{"dtype":"F32","shape":[1,1]' cat "$work/labels.safetensors"
done
expect 1 'expected {} where' $both --image "$golden/images/rgb.png" --label a --template x
expect 2 "without a --label" $both --image x --template '{}'
expect 2 "for pictures' embeddings" $both --text x --label a
expect 1 "encodes pictures, not" $pictures --image "$golden/images/rgb.png" --label a
printf '{"text":"a"}\n{"image":"%s"}\n' "$golden/images/rgb.png" >"$work/both.jsonl"
both_lines() { $both <"$work/both.jsonl"; }
expect 0 'stdin:2: left out: no "text"' both_lines
printf '{"id":"a","image":"%s"}\n{"id":"b","image":"%s"}\n{"text":"c"}\n' "$golden/images/rgb.png" \
    "$golden/images/picture.bmp" >"$work/pictures.jsonl"
encode_lines() { $pictures "$@" <"$work/pictures.jsonl"; }
expect 0 '{"id":"a","embedding":[' encode_lines
expect 0 "stdin:2: left out" encode_lines
expect 0 "stdin:3: left out" encode_lines
expect 1 'no "image"' encode_lines --strict

# ---- sounds ----
sounds="$ferry encode --model $golden/tiny-musicnn"
if $sounds --audio "$golden/sounds/u8.wav" 2>&1 >/dev/null | grep -q 'this build decodes no sounds'; then
    echo "skipped: a build without libsndfile"
else
    expect 0 '{"id":"1","embedding":[' $sounds --audio "$golden/sounds/u8.wav" --audio "$golden/sounds/vorbis.ogg"
    expect 0 '{"id":"0","embedding":[' $sounds --audio "$golden/sounds/mislabelled.wav" --threads 2
    expect 0 '"tags":{"plucked":0.7738' $sounds --logits --audio "$golden/sounds/16-bit.flac"
    expect 1 "/no/such" $sounds --audio /no/such.ogg
    expect 1 "rgb.png: begins with" $sounds --audio "$golden/images/rgb.png"
    expect 1 "this model encodes pictures, not sounds" $pictures --audio "$golden/sounds/u8.wav"
    printf '{"id":"a","audio":"%s"}\n{"id":"b","audio":"%s"}\n{"text":"c"}\n' "$golden/sounds/float.wav" \
        "$golden/images/picture.gif" >"$work/sounds.jsonl"
    encode_sounds() { $sounds "$@" <"$work/sounds.jsonl"; }
    expect 0 '{"id":"a","embedding":[' encode_sounds
    expect 0 "stdin:2: left out" encode_sounds
    expect 0 "stdin:3: left out" encode_sounds
    expect 1 'no "audio"' encode_sounds --strict
fi
expect 1 "this model encodes sounds, not texts" $sounds --text x
expect 2 "one of them" $sounds --audio x --text y

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
