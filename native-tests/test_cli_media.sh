#!/bin/sh
# Catalogues of texts and pictures on the command line: sh test_cli_media.sh FERRY SOURCE_DIR
set -u
ferry=$1
golden=$2/native-tests/golden
. "$2/native-tests/expect.sh"

texts=$golden/tiny-bert/gelu-mean
pictures=$golden/tiny-efficientnet
catalog="$ferry catalog --text-model $texts --image-model $pictures"

# Pictures lie beside the table; b's is missing, c's is no picture, d has no words, e has nothing.
mkdir "$work/pictures"
cp "$golden/images/rgb.png" "$golden/images/grey.png" "$golden/images/picture.bmp" "$work/pictures"
cat >"$work/items.jsonl" <<'END'
{"id":"a","domain":"things","title":"A wooden spoon","image":"pictures/rgb.png"}
{"id":"b","domain":"things","title":"A steel fork","image":"pictures/none.png"}
{"id":"c","domain":"things","title":"A red kite","image":"pictures/picture.bmp"}
{"id":"d","domain":"things","image":"pictures/grey.png"}
{"id":"e","domain":"empty","image":"pictures/none.png"}
{"id":"f","domain":"others","title":"A blue kite"}
END

# ---- what is missing is told, and the item stays with what it has ----
build() { $catalog --items "$work/items.jsonl" --out "$work/shop" "$@"; }
expect 0 "shop: 5 items in 2 domains, 60 numbers each" build
expect 0 "shop: 4 have texts" build
expect 0 "shop: 2 have pictures; of 3 they are missing or broken" build
expect 0 "shop: 1 item left out" build
expect 0 'items.jsonl: item "b": goes without: ' build
expect 0 "none.png: No such file" build
expect 0 'items.jsonl: item "c": goes without: ' build
expect 0 'items.jsonl: item "e": left out: ' build
expect 1 'item "b": ' build --strict
expect 0 '"segments":[{"modality":"text","dimension":24,"model":"gelu-mean","weight":0.5},{"modality":"image","dimension":36,"model":"tiny-efficientnet","weight":0.5}]' cat "$work/shop/catalog.json"
expect 0 '"image.mean":{' cat "$work/shop/vectors.safetensors"
expect 0 '"weight":0.75}' sh -c '"$@" >&2 && cat "$0/weighed/catalog.json"' "$work" $catalog \
    --items "$work/items.jsonl" --out "$work/weighed" --modality-weight image=3
mkdir "$work/elsewhere"
cp "$work/items.jsonl" "$work/elsewhere"
expect 0 "0 have pictures" $catalog --items "$work/elsewhere/items.jsonl" --out "$work/other"
expect 0 "2 have pictures" $catalog --items "$work/elsewhere/items.jsonl" --media "$work" --out "$work/other"
expect 0 "" cmp "$work/shop/vectors.safetensors" "$work/other/vectors.safetensors"
expect 0 "2 have pictures" "$ferry" catalog --image-model "$pictures" --items "$work/items.jsonl" --out "$work/seen"
expect 0 "4 items left out" "$ferry" catalog --image-model "$pictures" --items "$work/items.jsonl" --out "$work/seen"
expect 1 "does not encode pictures" "$ferry" catalog --image-model "$texts" --items "$work/items.jsonl" --out "$work/x"
expect 2 "a weight for sounds without their model" build --modality-weight audio=1
expect 2 "expected text, image or audio" build --modality-weight smell=1
expect 2 "expected more than 0" build --modality-weight image=0
for threads in 1 2; do
    expect 0 "2 have pictures" build --threads $threads
    expect 0 "" cmp "$work/shop/vectors.safetensors" "$work/other/vectors.safetensors"
done

# ---- lists, explanations, search ----
recommend="$ferry recommend --catalog $work/shop --like a"
expect 0 '"modalities":["text"]' $recommend --json
expect 0 '"modalities":["image"]' $recommend --json
expect 0 "% picture" $recommend --explain --modality-weight image=0.9
expect 0 '(d)' $recommend -k 1 --modality-weight image=1
expect 0 '0.0000  things         A steel fork  (b)' $recommend --modality-weight image=1
expect 0 '0.0000  things           (d)' $recommend --modality-weight image=0
expect 2 "expected a number from 0 to 1" $recommend --modality-weight image=2
expect 1 '"audio", which the catalogue lacks' $recommend --modality-weight audio=1
search="$ferry search --catalog $work/shop -q"
expect 0 "   1  1.0000  things         A wooden spoon" $search --image "$work/pictures/rgb.png" --model "$pictures"
expect 0 "   1  1.0000  things         A steel fork" $search --text "A steel fork" --model "$texts"
expect 0 "(d)" $search --like a --modality image
expect 1 "nothing of the modalities asked for" $search --like b --modality image
expect 1 "no audio vectors" $search --like a --modality audio
expect 2 "--modality goes with --like" $search --text x --model "$texts" --modality text
expect 2 "--image needs --model" $search --image x
expect 1 "the catalogue's image vectors, made by \"tiny-efficientnet\", have 36" $search --image "$work/pictures/rgb.png" --model "$golden/tiny-vit/clip"

# ---- three encoders ----
sounds=$golden/tiny-musicnn
cp "$golden/sounds/16-bit.wav" "$work/pictures"
cat >"$work/heard.jsonl" <<'END'
{"id":"a","domain":"things","title":"A wooden spoon","image":"pictures/rgb.png","audio":"pictures/16-bit.wav"}
{"id":"b","domain":"things","title":"A steel fork","audio":"pictures/rgb.png"}
{"id":"c","domain":"things","audio":"pictures/16-bit.wav"}
END
if "$ferry" encode --model "$sounds" --audio "$golden/sounds/16-bit.wav" >"$work/said" 2>&1; then
    expect 0 "heard: 2 have sounds; of 1 they are missing or broken" $catalog --audio-model "$sounds" \
        --items "$work/heard.jsonl" --out "$work/heard"
    expect 0 '"model":"tiny-musicnn","weight":0.2}' cat "$work/heard/catalog.json"
    expect 0 '"modalities":["text","image","audio"]' "$ferry" recommend --catalog "$work/heard" --like b --json
    expect 0 "1.0000  things           (c)" "$ferry" search --catalog "$work/heard" --like a --modality audio -q
    expect 0 "% sound" "$ferry" recommend --catalog "$work/heard" --like a --explain -q --modality-weight audio=1
else
    expect 0 "decodes no sounds" cat "$work/said"
    echo "skipped: this build decodes no sounds"
fi

# ---- a run that is stopped at half goes on where it was ----
number=0
while [ $number -lt 1500 ]; do
    echo "{\"id\":\"$number\",\"domain\":\"many\",\"title\":\"Thing $number\",\"image\":\"pictures/rgb.png\"}"
    number=$((number + 1))
done >"$work/many.jsonl"
expect 0 "1500 have pictures" $catalog --items "$work/many.jsonl" --out "$work/whole"
half=$((750 * (16 + 36 * 4))) # bytes of so many records
for signal in INT KILL; do
    rm -rf "$work/stopped"
    # exec, so that the signal meets ferry; an asynchronous command of sh would ignore INT
    python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); os.execvp(sys.argv[1], sys.argv[1:])' \
        $catalog --items "$work/many.jsonl" --out "$work/stopped" 2>"$work/said" &
    running=$!
    while kill -0 $running 2>/dev/null && { [ ! -f "$work/stopped/image.part" ] ||
        [ "$(wc -c <"$work/stopped/image.part")" -lt $half ]; }; do :; done
    kill -$signal $running
    wait $running 2>/dev/null
    ended=$?
    if [ $signal = INT ]; then
        expect 0 "" test $ended = 130
        expect 0 "the same command goes on from there" cat "$work/said"
    else
        expect 0 "" test $ended = 137
    fi
    expect 1 "catalog.json is missing" "$ferry" recommend --catalog "$work/stopped" --like 1
    expect 0 "" test "$(wc -c <"$work/stopped/image.part")" -lt $((2 * half))
    expect 0 "1500 have pictures" $catalog --items "$work/many.jsonl" --out "$work/stopped"
    for file in catalog.json items.jsonl vectors.safetensors; do
        expect 0 "" cmp "$work/whole/$file" "$work/stopped/$file"
    done
    expect 1 "" test -e "$work/stopped/image.part"
    expect 1 "" test -e "$work/stopped/text.part"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
