#!/bin/sh
# The command line as a person uses it: sh test_cli.sh FERRY SOURCE_DIR
set -u
ferry=$1
golden=$2/native-tests/golden
. "$2/native-tests/expect.sh"

cat >"$work/items.jsonl" <<'END'
{"id":"spoon","domain":"home","title":"A wooden spoon","tags":["kitchen"]}
{"id":"fork","domain":"home","title":"A steel fork"}
not json
{"title":"no id"}
{"id":"spoon","domain":"home","title":"twice"}
{"id":"kite","domain":"toys","title":"A red kite","names":{"de":"Ein Drachen"}}
END
printf 'item_id:token\ttitle:token_seq\nm1\tMoon song\nm2\tSun song\n' >"$work/music.item"
printf 'id,domain,title\r\n"b,1",books,"A ""quoted"" title"\r\n' >"$work/books.csv"
cat >"$work/history.jsonl" <<'END'
{"user":"ada","item":"spoon","domain":"home","behavior":"purchase","timestamp":1}
{"user":"ada","item":"unheard of","behavior":"view"}
{"user":"ada","item":"kite","behavior":"rating","value":4}
{"user":"ada","item":"kite","behavior":"rating","value":6}
{"user":"ada","item":"kite","behavior":"stare"}
END
model=$golden/tiny-bert/gelu-mean
catalog="$ferry catalog --text-model $model"

# ---- help, versions, wrong options ----
expect 0 "Usage: ferry SUBCOMMAND" "$ferry" --help
expect 2 "Usage: ferry SUBCOMMAND" "$ferry"
expect 0 "kernels:" "$ferry" --version
expect 2 'no subcommand "fry"' "$ferry" fry
for subcommand in align encode prepare catalog center quantize recommend search; do
    expect 0 "Usage: ferry $subcommand" "$ferry" $subcommand --help
    expect 2 "ferry $subcommand: " "$ferry" $subcommand --wrong
done
expect 2 "--items is missing" "$ferry" catalog --out x --text-model y
expect 2 "--text-model is missing" "$ferry" catalog --items x --out y
expect 2 "--out is missing" $catalog --items x
expect 2 "--history is missing" "$ferry" recommend --catalog x
expect 2 "--catalog is missing" "$ferry" recommend --history x
expect 2 "expected a whole number from 1" "$ferry" recommend --catalog x --history y -k 0
expect 2 "expected a whole number from 1" "$ferry" recommend --catalog x --history y -k -3
expect 2 "expected a whole number from 1" "$ferry" recommend --catalog x --history y -k 3x
expect 2 "--model is missing" "$ferry" encode --text x
expect 2 'unexpected word "x"' "$ferry" encode --model y x

# ---- catalog ----
expect 0 "6 items in 4 domains" $catalog --items "$work/items.jsonl" "$work/music.item" \
    "$work/books.csv" --out "$work/shop"
expect 0 "items.jsonl:3: left out" $catalog --items "$work/items.jsonl" --out "$work/one"
expect 0 "items.jsonl:4: left out" $catalog --items "$work/items.jsonl" --out "$work/one"
expect 0 "items.jsonl:5: left out" $catalog --items "$work/items.jsonl" --out "$work/one"
expect 2 "--out is missing" $catalog --items "$work/items.jsonl" --out ""
expect 1 "Not a directory" $catalog --items "$work/items.jsonl" --out "$work/items.jsonl"
expect 1 "items.jsonl:3" $catalog --strict --items "$work/items.jsonl" --out "$work/two"
expect 1 "/no/such" $catalog --items /no/such.jsonl --out "$work/two"
cp "$work/items.jsonl" "$work/items.xyz"
expect 1 "items.xyz" $catalog --items "$work/items.xyz" --out "$work/two"
expect 1 "/no/such" "$ferry" catalog --text-model /no/such --items "$work/items.jsonl" --out x
expect 1 "config.json is missing" "$ferry" catalog --text-model "$work" --items x --out y
expect 1 'kernels "mmx"' $catalog --kernels mmx --items "$work/items.jsonl" --out "$work/two"
expect 1 "$work/history.jsonl/shop" $catalog --items "$work/items.jsonl" --out "$work/history.jsonl/shop"
if [ -w /dev/full ]; then
    expect 1 "No space left" "$ferry" encode --model "$model" --text x --out /dev/full
fi

# ---- recommend ----
recommend="$ferry recommend --catalog $work/shop --history $work/history.jsonl"
expect 0 "history.jsonl:2: left out" $recommend
expect 0 "unheard of" $recommend
expect 0 "history.jsonl:4: left out" $recommend
expect 0 "rating 6, expected 1" $recommend
expect 0 '"excluded":{"seen":2,"disliked":0,"duplicate":0,"filtered":0,"limited":0}' $recommend --json
expect 0 "4 of the 500 asked for: there are no more" $recommend -k 500
expect 0 "A steel fork" $recommend --domain home
expect 1 'no domain "cars"' $recommend --domain cars
expect 1 "history.jsonl:2" $recommend --strict
expect 1 "/no/such" "$ferry" recommend --catalog /no/such --history "$work/history.jsonl"
expect 1 "catalog.json is missing" "$ferry" recommend --catalog "$work" --history x
expect 1 "/no/such" "$ferry" recommend --catalog "$work/shop" --history /no/such.jsonl
expect 1 "no usable event of user \"nobody\"" "$ferry" recommend --catalog "$work/shop" --history - --user nobody
printf '{"user":"a","item":"kite"}\n{"user":"b","item":"fork"}\n' >"$work/two.jsonl"
expect 1 "name one with --user" "$ferry" recommend --catalog "$work/shop" --history "$work/two.jsonl"
expect 0 "A steel fork" "$ferry" recommend --catalog "$work/shop" --history "$work/two.jsonl" --user a
truncate -s 100 "$work/one/vectors.safetensors"
expect 1 "vectors.safetensors" "$ferry" recommend --catalog "$work/one" --history "$work/two.jsonl"

# ---- recommend: why ----
shop=$golden/model/shop
printf '{"item":"b1","timestamp":1}\n{"item":"s1","behavior":"cart","timestamp":2}\n' >"$work/why.jsonl"
why="$ferry recommend --catalog $shop --history $work/why.jsonl -k 2 --explain"
expect 0 "because you bought The long long space; 100 % words" $why
expect 0 "(text " $why
expect 0 "Without The long long space, the first would be " $why
expect 0 '"explanation":{"sentence":"because ' $why --json
expect 0 '"history":[{"id":"b1","domain":"books","title":"The long long space","behavior":"purchase","timestamp":1},{"id":"s1"' $why --json
expect 0 '"counterfactual":{"without":[{"event":0,"id":"b1"' $why --json
expect 0 "what others did" $why --model "$shop/model" --domain books
expect 0 " about" $why --model "$shop/model" --domain books
expect 0 "because of The little golden space (cart); " $why --model "$shop/model" --domain songs

# ---- recommend: filters, limits, diversity ----
printf '{"item":"spoon","behavior":"purchase"}\n{"item":"kite","behavior":"rating","value":1}\n' >"$work/likes.jsonl"
likes="$ferry recommend --catalog $work/shop --history $work/likes.jsonl --json --disliked-cosine 2"
expect 0 '"id":"fork"' $likes --where 'title~STEEL'
expect 0 '"excluded":{"seen":1,"disliked":0,"duplicate":0,"filtered":5,"limited":0}' $likes --where 'tags has kitchen'
expect 0 '"id":"m1"' $likes --where 'id<n' --where 'title!=A steel fork' --domain music
expect 1 'condition "price": expected one of = != < <= > >= has ~ at character 6' $likes --where price
expect 1 'condition "price<": expected a value at character 7' $likes --where 'price<'
expect 0 '"disliked":1' $likes --keep-seen
expect 0 '"disliked":0' $likes --keep-seen --keep-disliked
expect 0 '"disliked":4' $likes --disliked-cosine 0.0000001
expect 0 '"limited":1' $likes --quota music=1
expect 0 '"limited":2' $likes --quota music=0
expect 1 "a quota's domain \"cars\" is not in the catalogue" $likes --quota cars=2
expect 2 "--quota music: expected NAME=N" $likes --quota music
expect 2 "--quota x: expected a whole number from 1" $likes --quota music=x
expect 0 '"limited":1' $likes --at-most domain=1
expect 1 'at most 0 of each "domain"' $likes --at-most domain=0
expect 0 '"rank":4' $likes --diversity .5
expect 1 "diversity is 2, expected 0" $likes --diversity 2
expect 2 "--diversity much: expected a number from 0" $likes --diversity much
expect 2 "--duplicate-cosine -1: expected a number from 0" $likes --duplicate-cosine -1
expect 0 '"duplicate":1' $likes --duplicate-cosine 0.0000001
expect 0 '"duplicate":0' $likes --duplicate-cosine 0.0000001 --keep-duplicates
printf '{"id":"m2"}\n{"id":"fork","domain":"home"}\n{"id":"nothing"}\n' >"$work/some.jsonl"
expect 0 '"filtered":4' $likes --candidates "$work/some.jsonl"
expect 0 'some.jsonl:3: left out: no item "nothing"' $likes --candidates "$work/some.jsonl"
expect 1 'some.jsonl:3' $likes --candidates "$work/some.jsonl" --strict
expect 0 '"filtered":4' $likes --candidates "$work/music.item"
printf '{"id":"m2","domain":"songs"}\n' >"$work/none.jsonl"
expect 1 "none.jsonl: no candidate that the catalogue has" $likes --candidates "$work/none.jsonl"
expect 1 "/no/such" $likes --candidates /no/such.jsonl
expect 0 "3 of the 5 asked for: there are no more; left out: 1 seen, 2 filtered" "$ferry" recommend \
    --catalog "$work/shop" --history "$work/two.jsonl" --user a -k 5 --where domain!=music --where 'title~a'

# ---- search ----
search="$ferry search --catalog $work/shop"
expect 2 "--catalog is missing" "$ferry" search --like fork
expect 2 "expected one of --like, --text and --image" $search
expect 2 "expected one of --like, --text and --image" $search --like fork --text fork --model "$model"
expect 2 "--text needs --model" $search --text fork
expect 2 "--model goes with --text" $search --like fork --model "$model"
expect 0 "A steel fork" $search --like spoon -q
expect 0 "A steel fork" $search --like home/spoon --domain home -q
expect 0 '{"items":[{"rank":1,"id":"' $search --like spoon --json -q
expect 0 "of the 500 asked for: there are no more" $search --like spoon -k 500
$search --like home/spoon -q -k 500 >"$work/found.txt"
if grep -q "(spoon)" "$work/found.txt"; then echo "search: the item itself is in its list"; exit 1; fi
expect 0 "1  " $search --text "a steel fork" --model "$model" -k 1
expect 1 '"nothing"' $search --like nothing
expect 1 'no domain "cars"' $search --like spoon --domain cars
expect 1 "/no/such" $search --text x --model /no/such

# ---- prepare ----
cat >"$work/events.csv" <<'END'
user,item,domain,behavior,value,timestamp
ada,spoon,home,purchase,,1
ada,fork,home,cart,2,2
ada,spoon,home,rating,4,3
ada,kite,toys,view,,4
bob,kite,toys,rating,2,5
bob,nothing,toys,view,,6
bob,kite,toys,rating,nan,7
,kite,toys,view,,8
END
sed '3,5d' "$work/items.jsonl" >"$work/clean.jsonl"
prepare="$ferry prepare --items $work/clean.jsonl --events $work/events.csv"
expect 2 "--events is missing" "$ferry" prepare --out "$work/data"
expect 2 "--out is missing" "$ferry" prepare --events "$work/events.csv"
expect 2 "--core 0: expected a whole number" $prepare --core 0 --out "$work/data"
expect 2 "expected loo, time, ratio or new-user" $prepare --split half --out "$work/data"
expect 2 "expected exact, first, last or none" $prepare --dedupe-events all --out "$work/data"
expect 2 "add up to 1" $prepare --split ratio --ratio 0.5,0.5,0.5 --out "$work/data"
expect 2 "add up to 1" $prepare --split ratio --ratio 0.5,0.5 --out "$work/data"
expect 2 "--ratio goes with --split time or ratio" $prepare --ratio 1,0,0 --out "$work/data"
expect 2 "--target goes with --split new-user" $prepare --target home --out "$work/data"
expect 2 "--target-behavior goes with --split loo" $prepare --split ratio --target-behavior view --out "$work/data"
expect 1 'no event is a "rent"' $prepare --target-behavior rent --out "$work/data"
expect 2 "needs --target" $prepare --split new-user --out "$work/data"
expect 2 "--half-life -1: expected a number" $prepare --half-life -1 --out "$work/data"
expect 2 "--seed 1.5: expected a whole number" $prepare --seed 1.5 --out "$work/data"
expect 2 'unexpected word "x"' "$ferry" prepare x --out "$work/data"
expect 0 'events.csv:7: left out: item "nothing" is not among' $prepare --out "$work/data"
expect 0 'events.csv:8: left out: the value is "nan"' $prepare --out "$work/data"
expect 0 "events.csv:9: left out: no user" $prepare --out "$work/data"
expect 0 "2 users, 1 of them in several domains" $prepare --out "$work/data"
expect 0 "1 in home and toys" $prepare --out "$work/data"
expect 0 '"refused":[{"reason":"item' $prepare --json --out "$work/data"
expect 0 '"behaviors":["purchase","cart","rating","view"]' cat "$work/data/dataset.json"
expect 0 '"title":"A red kite","names":{"de":"Ein Drachen"}}' cat "$work/data/items.jsonl"
expect 0 '"toys.weight":{"dtype":"F32","shape":[2]' cat "$work/data/events.safetensors"
expect 0 "3 items in 2 domains" $catalog --items "$work/data/items.jsonl" --out "$work/prepared"
expect 0 "" $prepare -q --out "$work/again"
expect 0 "" cmp "$work/data/events.safetensors" "$work/again/events.safetensors"
expect 0 "" cmp "$work/data/items.jsonl" "$work/again/items.jsonl"
expect 1 "events.csv:7" $prepare --strict --out "$work/strict"
expect 1 "is the core too large?" $prepare --core 9 --out "$work/data"
expect 0 "ferry-dataset" cat "$work/data/dataset.json" # what was there is still there
expect 1 "/no/such" "$ferry" prepare --events /no/such.csv --out "$work/data"
expect 1 "Not a directory" $prepare --out "$work/events.csv"
expect 1 "$work/events.csv" $prepare --out "$work/events.csv/deeper"
expect 1 "a table's name ends in" "$ferry" prepare --events "$work/items.xyz" --out "$work/data"
echo ada >"$work/new-users"
new_user="$prepare --split new-user --target"
expect 0 "1 of them in several" $new_user toys --test-users "$work/new-users" --out "$work/new"
expect 0 '"split":"new-user","target":"toys","seed":0,"test_users":1' cat "$work/new/dataset.json"
expect 1 'no domain "cars"' $new_user cars --out "$work/new"
echo eve >>"$work/new-users"
expect 1 "1 of the 2 test users are not linked" $new_user toys --test-users "$work/new-users" --out "$work/new"
: >"$work/nobody"
expect 1 "no user in it" $new_user toys --test-users "$work/nobody" --out "$work/new"
expect 1 "no events are left" "$ferry" prepare --events - --out "$work/none"
: >"$work/empty.csv"
expect 1 "empty.csv:1" "$ferry" prepare --events "$work/empty.csv" --out "$work/none"
if [ "$(id -u)" != 0 ]; then # root may write anywhere
    mkdir "$work/locked"
    chmod a-w "$work/locked"
    expect 1 "Permission denied" $prepare --out "$work/locked"
fi
# a full disk leaves nothing that could be taken for a data set, nor a part of a file
full="(trap '' XFSZ; ulimit -f 0; $prepare --out $work/full; echo exit \$?) 2>&1 | cat"
expect 0 "File too large" sh -c "$full"
expect 0 "exit 1" sh -c "$full"
expect 0 "" [ -z "$(ls "$work/full")" ]
# Ctrl-C while it waits for events
mkfifo "$work/pipe.csv"
cat >"$work/interrupt" <<'END'
trap - INT
"$1" prepare --events "$2/pipe.csv" --out "$2/interrupted" &
exec 9>"$2/pipe.csv"
sleep 0.3
kill -INT $!
wait $!
END
expect 130 "interrupted; nothing was written" timeout 10 sh "$work/interrupt" "$ferry" "$work"
expect 0 "" [ ! -e "$work/interrupted/dataset.json" ]

# ---- encode ----
expect 0 '{"id":"0","embedding":[' "$ferry" encode --model "$model" --text "a spoon"
expect 0 "" "$ferry" encode --model "$model" --text "a spoon" --out "$work/out.safetensors"
expect 0 '"embeddings":{"dtype":"F32","shape":[1,24]' cat "$work/out.safetensors"
printf '{"id":"x","text":"a spoon"}\n\n{"no":1}\n' | "$ferry" encode --model "$model" \
    >"$work/lines" 2>"$work/messages"
expect 0 '{"id":"x","embedding":[' cat "$work/lines"
expect 0 'stdin:3: left out: no "text"' cat "$work/messages"

expect 2 'expected a file' "$ferry" encode --model "$model" --text x --out -
expect 0 "no text on stdin" "$ferry" encode --model "$model"
yes '{"no":"id"}' | head -150 >"$work/bad.jsonl"
expect 1 "and 50 more left out" $catalog --items "$work/bad.jsonl" --out "$work/none"

# ---- languages: prompts and centers ----
mkdir "$work/four"
cp -R "$golden/tiny-bert/unigram-int4/." "$work/four"
cat >"$work/languages.jsonl" <<'END'
{"language":"en","text":"the blue lamp"}
{"language":"zh","text":"中文"}
{"language":"en","text":"a bottle"}
{"text":"of no language"}
{"language":"auto","text":"reserved"}
END
expect 1 'no prompt "riddle"; known: query, passage' "$ferry" encode --model "$work/four" --prompt riddle --text x
expect 1 "centers.safetensors is missing" "$ferry" encode --model "$work/four" --center en --text x
expect 2 "--model is missing" "$ferry" center
expect 2 "not centred" "$ferry" center --model "$work/four" --center en
expect 1 "no text on stdin" sh -c "'$ferry' center --model '$work/four' </dev/null"
expect 1 'expected "language"' sh -c "'$ferry' center --strict --model '$work/four' <'$work/languages.jsonl'"
expect 0 "2 languages, 3 texts" sh -c "'$ferry' center --model '$work/four' <'$work/languages.jsonl'"
expect 1 'no center "de"; known: en, zh' "$ferry" encode --model "$work/four" --center de --text x
# The mean of a language's only text is that text: nothing is left of it.
expect 0 '"embedding":[0,0,0' "$ferry" encode --model "$work/four" --center zh --text 中文
expect 0 '"embedding":' "$ferry" encode --model "$work/four" --center auto --prompt passage --text 'the lamp'

# ---- quantize ----
expect 2 "--out is missing" "$ferry" quantize --model "$model"
expect 1 "/no/such" "$ferry" quantize --model /no/such --out "$work/int8"
expect 0 "" "$ferry" quantize --model "$model" --out "$work/int8"
expect 0 '"encoder.layer.0.output.dense.weight":{"dtype":"I8","shape":[24,40]' cat "$work/int8/model.safetensors"
expect 0 '{"id":"0","embedding":[' "$ferry" encode --model "$work/int8" --text "a spoon"
expect 1 "quantised to int8" "$ferry" encode --model "$work/int8" --precision f32 --text "a spoon"
expect 1 "int8 already" "$ferry" quantize --model "$work/int8" --out "$work/again"
expect 2 "expected auto, f32 or int8" "$ferry" encode --model "$model" --precision half --text x

# ---- threads, numerics ----
expect 2 "--threads 0: expected a whole number from 1" "$ferry" encode --model "$model" --threads 0 --text x
expect 2 "--threads two: expected a whole number from 1" $catalog --threads two --items x --out y
expect 1 "expected at most 256" "$ferry" encode --model "$model" --threads 1000 --text x
expect 2 "expected exact or fast" "$ferry" encode --model "$model" --numerics quick --text x
expect 1 "fast numerics are for precision f32" "$ferry" encode --model "$model" --precision int8 --numerics fast --text x
expect 1 'no fused multiply-add here with kernels "scalar"' $catalog --kernels scalar --numerics fast --items "$work/items.jsonl" --out "$work/two"
for threads in 1 2 3; do
    expect 0 "6 items in 4 domains" $catalog --threads $threads --items "$work/items.jsonl" "$work/music.item" \
        "$work/books.csv" --out "$work/shop$threads"
    expect 0 "" cmp "$work/shop/vectors.safetensors" "$work/shop$threads/vectors.safetensors"
    "$ferry" encode --model "$model" --threads $threads --text "a spoon" --text "a fork" >"$work/threads$threads"
    expect 0 "" cmp "$work/threads1" "$work/threads$threads"
done
if "$ferry" encode --model "$model" --numerics fast --text "a spoon" >"$work/fast" 2>"$work/err"; then
    expect 0 '{"id":"0","embedding":[' cat "$work/fast"
else
    expect 0 "no fused multiply-add here" cat "$work/err"
fi

# every variant prints the same bytes
for kernels in scalar avx2 avx512 avx512vnni; do
    "$ferry" encode --model "$model" --kernels $kernels --text "a spoon" >"$work/$kernels" \
        2>/dev/null || continue
    expect 0 "" cmp "$work/scalar" "$work/$kernels"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
