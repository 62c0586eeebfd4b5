#!/bin/sh
# ferry align and ferry search --align: sh test_cli_align.sh FERRY SOURCE_DIR
set -u
ferry=$1
golden=$2/native-tests/golden
. "$2/native-tests/expect.sh"
tongue=$golden/tiny-bert/gelu-mean
eye=$golden/tiny-efficientnet

# A shop of a dozen pictures, some of which are the same one in another format.
pictures='rgb.png rgba.png grey.png palette.png rgb.jpg grey.jpg cmyk.jpg alpha.webp lossy.webp lossless.webp one-bit.png turned-2.jpg'
number=0
for picture in $pictures; do
    number=$((number + 1))
    echo "{\"id\":\"$number\",\"domain\":\"d$((number % 2))\",\"title\":\"picture number $number of ${picture%.*}\"}" >>"$work/items.jsonl"
    echo "{\"image\":\"$golden/images/$picture\"}" >>"$work/pictures.jsonl"
done
"$ferry" catalog -q --items "$work/items.jsonl" --text-model "$tongue" --out "$work/shop" || exit 1
"$ferry" encode -q --model "$eye" --out "$work/eye.safetensors" <"$work/pictures.jsonl" || exit 1
classes=$("$ferry" encode -q --model "$eye" --logits --json --image "$golden/images/rgb.png" | tr ',' '\n' | grep -c .)
seq "$((classes - 1))" | sed 's/^/thing number /' >"$work/labels.txt" # one comma stands after the id

align="$ferry align --catalog $work/shop --features $work/eye.safetensors"
bridge="--image-model $eye --text-model $tongue --labels $work/labels.txt"

expect 0 "Usage: ferry align" "$ferry" align --help
expect 2 "--catalog is missing" "$ferry" align --out x
expect 2 "expected one of --out and --evaluate" $align
expect 2 "expected bridge, ridge or infonce" $align --method rigde --out x
expect 2 "the bridge needs --image-model" $align --method bridge --out x
expect 2 "both, for the bridge" $align --image-model "$eye" --out x
expect 2 "expected image or audio" $align --modality smell --out x
expect 2 "goes with neither" $align --fusion gated --method ridge --out x
expect 1 "concat, gated or project" $align --fusion stir --out "$work/stirred"
expect 1 "no image vectors" "$ferry" align --catalog "$work/shop" --out "$work/a"
expect 1 "/no/such" "$ferry" align --catalog "$work/shop" --features /no/such --out "$work/a"

expect 1 "\"embeddings\" is missing" "$ferry" align --catalog "$work/shop" --features "$work/shop/vectors.safetensors" --out "$work/a"
expect 0 "learned from 12 pairs" $align $bridge --out "$work/a"
expect 0 '"heads":{"ridge":{"weight":1' $align --method ridge --json --out "$work/b"
expect 0 '"infonce"' $align $bridge --method bridge+ridge+infonce --epochs 2 --hidden 8 --json --out "$work/c"
head -1 "$work/labels.txt" >"$work/few.txt"
expect 1 "few.txt: 1 names" $align --image-model "$eye" --text-model "$tongue" --labels "$work/few.txt" --out "$work/a"
expect 1 '"label_names"' $align --image-model "$eye" --text-model "$tongue" --out "$work/a"
expect 0 "4 asked about" $align --method ridge --evaluate 2 --seed 3
expect 0 '"candidates":4' $align --method ridge --evaluate 1 --json

# the same bytes whatever computes
$align -q $bridge --method bridge+ridge+infonce --epochs 2 --hidden 8 --threads 1 --kernels scalar --out "$work/d" || exit 1
expect 0 "" cmp "$work/c/align.safetensors" "$work/d/align.safetensors"
expect 0 "" cmp "$work/c/align.json" "$work/d/align.json"

# what was learned by heart is found: the picture's own text, the text's own picture
search="$ferry search --catalog $work/shop --align $work/b -k 1"
expect 0 "of rgb" $search --image "$golden/images/rgb.png" --model "$eye" --domain d1
expect 0 "picture number 12" $search --text "picture number 12 of turned-2" --model "$tongue"
expect 0 '"items":[{"rank":1' $search --json --text "picture number 12 of turned-2" --model "$tongue"
expect 2 "--align goes with" $search --like 1
expect 2 "expected one of" $search --text x --image y --model z
expect 1 "encodes pictures" $search --text x --model "$eye"
expect 1 "makes vectors of 20" "$ferry" search --catalog "$work/shop" --align "$work/b" --image "$golden/images/rgb.png" --model "$golden/tiny-vit/clip"
expect 1 "picture.gif" $search --image "$golden/images/picture.gif" --model "$eye"
expect 1 "align.json" "$ferry" search --catalog "$work/shop" --align "$work/shop" --text x --model "$tongue"
head -5 "$work/items.jsonl" >"$work/five.jsonl"
"$ferry" catalog -q --items "$work/five.jsonl" --text-model "$tongue" --out "$work/five" || exit 1
expect 1 "align it again" "$ferry" search --catalog "$work/five" --align "$work/b" --text x --model "$tongue"

# a catalogue of texts and pictures brings its own features; one of them is missing
sed 's/^{/{"image":"none.png",/' "$work/items.jsonl" | head -1 >"$work/seen.jsonl"
tail -n +2 "$work/items.jsonl" | while read -r line; do
    picture=$(echo "$pictures" | tr ' ' '\n' | sed -n "$(echo "$line" | sed 's/.*"id":"\([0-9]*\)".*/\1/')p")
    echo "$line" | sed "s|^{|{\"image\":\"$golden/images/$picture\",|" >>"$work/seen.jsonl"
done
"$ferry" catalog -q --items "$work/seen.jsonl" --text-model "$tongue" --image-model "$eye" --out "$work/seen" || exit 1
expect 0 "learned from 11 pairs" "$ferry" align --catalog "$work/seen" $bridge --out "$work/e"
expect 0 "picture number 12" "$ferry" search --catalog "$work/seen" --align "$work/e" -k 1 --text "picture number 12 of turned-2" --model "$tongue"
expect 0 "of rgb" "$ferry" search --catalog "$work/seen" --align "$work/e" -k 1 --image "$golden/images/rgb.jpg" --model "$eye"
expect 1 "no audio vectors" "$ferry" align --catalog "$work/seen" --modality audio --out "$work/f"
expect 0 "" "$ferry" align -q --catalog "$work/seen" --fusion gated --epochs 2 --out "$work/seen-gated"

# as many items, but others
sed 's/"id":"1"/"id":"one"/' "$work/items.jsonl" >"$work/other.jsonl"
"$ferry" catalog -q --items "$work/other.jsonl" --text-model "$tongue" --out "$work/other" || exit 1
expect 1 "align it again" "$ferry" search --catalog "$work/other" --align "$work/b" --text x --model "$tongue"
expect 0 "learned from 12 pairs" $align --modality audio --out "$work/g"

for kind in concat gated project; do
    expect 0 "" $align -q --fusion $kind --epochs 2 --out "$work/$kind"
    expect 0 "\"kind\":\"$kind\"" cat "$work/$kind/fusion.json"
    expect 0 "used" cat "$work/$kind/fused.safetensors"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
