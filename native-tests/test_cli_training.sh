#!/bin/sh
# ferry train, and ferry eval of what it wrote: sh test_cli_training.sh FERRY SOURCE_DIR
set -u
ferry=$1
. "$2/native-tests/expect.sh"
catalog="$ferry catalog -q --text-model $2/native-tests/golden/tiny-bert/gelu-mean"

# ---- books and films of 36 items, people of six tastes; some have one event; songs have two ----
awk 'BEGIN {
    split("red blue old new big sea", word, " ")
    split("books films", domain, " ")
    for (d = 1; d <= 2; d++)
        for (i = 0; i < 36; i++)
            printf "{\"id\":\"%d\",\"domain\":\"%s\",\"title\":\"%s %s %d\"}\n",
                i, domain[d], word[i % 6 + 1], word[i % 5 + 1], i
    printf "{\"id\":\"1\",\"domain\":\"solo\",\"title\":\"alone\"}\n"
    for (i = 1; i <= 5; i++) printf "{\"id\":\"%d\",\"domain\":\"songs\",\"title\":\"song %s\"}\n", i, word[i]
}' >"$work/items.jsonl"
awk 'BEGIN {
    split("books films", domain, " ")
    print "user,item,domain,behavior,value,timestamp"
    random = 7
    for (u = 0; u < 130; u++)
        for (d = 1; d <= 2; d++) {
            n = u % 13 == 0 ? 1 : 3 + (u * 7 + d) % 6
            for (i = 0; i < n; i++) {
                random = (random * 1103 + 12345) % 65536
                item = random % 5 == 0 ? random % 36 : int(random / 64) % 6 * 6 + u % 6
                printf "u%d,%d,%s,%s,%d,%d\n", u, item, domain[d], random % 3 ? "purchase" : "view",
                    random % 5 + 1, 1000000 + u * 1000 + i * 10 + d
            }
        }
    print "u1,1,songs,view,1,5"
    print "u2,2,songs,view,1,6"
    for (u = 1; u <= 9; u++) printf "u%d,1,solo,view,1,%d\n", u, u
}' >"$work/events.csv"
expect 0 "" "$ferry" prepare -q --items "$work/items.jsonl" --events "$work/events.csv" --out "$work/data"
expect 0 "" $catalog --items "$work/data/items.jsonl" --out "$work/catalog"
from="--data $work/data --catalog $work/catalog"
train="$ferry train $from --domain books,films"

# ---- wrong options ----
expect 0 "Usage: ferry train" "$ferry" train --help
expect 2 "ferry train: " "$ferry" train --wrong
expect 2 "--data is missing" "$ferry" train --catalog x --domain y --out z
expect 2 "--catalog is missing" "$ferry" train --data x --domain y --out z
expect 2 "--domain is missing" "$ferry" train --data x --catalog y --out z
expect 2 "--domain is missing" "$ferry" train --data x --catalog y --domain , --out z
expect 2 "--out is missing" "$ferry" train --data x --catalog y --domain z
expect 2 "--out is missing" $train --out ""
expect 2 "--out is longer than" $train --out "$(printf '%5000s' x | tr ' ' x)"
expect 2 'unexpected word "x"' $train --out "$work/none" x
expect 2 "--encoder rnn: expected ema, mean, lstm, gru or transformer" $train --encoder rnn
expect 2 "--objective hinge: expected softmax, bpr or mse" $train --objective hinge
expect 2 "--epochs 0: expected a whole number from 1" $train --epochs 0
expect 2 "--dim 8x: expected a whole number from 1" $train --dim 8x
expect 2 "--samples -1: expected a whole number" $train --samples -1
expect 2 "--learning-rate 0: expected a number" $train --learning-rate 0
expect 2 "--learning-rate nan: expected a number" $train --learning-rate nan
expect 2 "--dropout 1: expected a number" $train --dropout 1
expect 2 "--threads 0: expected a whole number from 1" $train --threads 0
expect 1 'no domain "cars"' "$ferry" train $from --domain books,cars --out "$work/none"
expect 1 "--domain books is given twice" "$ferry" train $from --domain books --domain books --out "$work/none"
expect 1 'no behaviour "stare"' $train --target stare --out "$work/none"
expect 1 "/no/such" "$ferry" train --data /no/such --catalog "$work/catalog" --domain books --out "$work/none"
expect 1 "/no/such" "$ferry" train --data "$work/data" --catalog /no/such --domain books --out "$work/none"
expect 1 'kernels "abacus"' $train --kernels abacus --out "$work/none"
expect 0 "not there, so from the beginning" $train --no-across --resume --out "$work/fresh"
expect 1 "Not a directory" $train --out "$work/events.csv"
expect 1 "$work/events.csv" $train --out "$work/events.csv/deeper"
expect 1 "dim" $train --dim 5000 --out "$work/none"
expect 1 "heads" $train --encoder transformer --dim 10 --heads 3 --out "$work/none"
if [ "$(id -u)" != 0 ]; then # root may write anywhere
    mkdir "$work/locked"
    chmod a-w "$work/locked"
    expect 1 "Permission denied" $train --out "$work/locked"
fi

# ---- a model ----
short="$train --epochs 3 --batch 128"
expect 0 "net: " $short --out "$work/model"
expect 0 "across of films" $short --out "$work/model"
expect 0 "mix, new_domain: ndcg@10" $short --out "$work/model"
expect 0 "ferry.json items.jsonl model.safetensors" echo $(ls "$work/model")
expect 0 '"format":"ferry-model","version":1' cat "$work/model/ferry.json"
expect 0 '"across":{"factors":64' cat "$work/model/ferry.json"
quoted="$work/a \"quoted\" name"
expect 0 'a \"quoted\" name","seconds":' $short -q --json --out "$quoted"
expect 0 '"net":{"parameters":' $short -q --json --out "$quoted"
expect 0 "" cmp "$work/model/model.safetensors" "$quoted/model.safetensors"
for threads in 2 3; do
    expect 0 "" $short -q --threads $threads --out "$work/threads"
    expect 0 "" cmp "$work/model/model.safetensors" "$work/threads/model.safetensors"
    expect 0 "" cmp "$work/model/ferry.json" "$work/threads/ferry.json"
done
expect 0 "" $short -q --kernels scalar --out "$work/scalar"
expect 0 "" cmp "$work/model/model.safetensors" "$work/scalar/model.safetensors"
expect 0 "" $short -q --seed 1 --out "$work/seed"
expect 1 "differ" cmp "$work/model/model.safetensors" "$work/seed/model.safetensors"
for encoder in mean lstm gru transformer; do
    expect 0 "net: " $short --encoder $encoder --dim 8 --rank 0 --time 4 --default-mix --out "$work/$encoder"
    expect 0 "\"encoder\":\"$encoder\"" cat "$work/$encoder/ferry.json"
done
expect 0 "net: " $short --objective bpr --mask-history --target purchase --target view --rank 2 --time 0 --out "$work/bpr"
expect 0 '"mix":{}' "$ferry" train $from -q --json --no-net --default-mix --domain books --out "$work/plain"
expect 1 "" grep '"across":{' "$work/plain/ferry.json"

# nobody did two things in songs: no net, but what needs none
expect 1 "nobody has two events" "$ferry" train $from --domain songs --out "$work/songs"
expect 0 "" [ ! -e "$work/songs/ferry.json" ]
expect 0 "songs:" "$ferry" train $from --domain songs --no-net --out "$work/songs"

# a domain of one item among others, and alone
expect 0 "solo:" "$ferry" train $from --domain books,solo --epochs 1 --out "$work/solo"
expect 0 "ndcg@10" "$ferry" eval -q $from --domain solo --part train --resamples 0 --model "$work/solo"
expect 0 "solo:" "$ferry" train $from --domain solo --no-net --out "$work/alone"

# values that no step can follow: the step is named, nothing is written
awk -F, 'BEGIN { OFS = "," } NR > 1 { $5 = "3e38" } { print }' "$work/events.csv" >"$work/huge.csv"
expect 0 "" "$ferry" prepare -q --items "$work/items.jsonl" --events "$work/huge.csv" --out "$work/huge"
expect 1 "training diverged in step 1 of" "$ferry" train --data "$work/huge" --catalog "$work/catalog" \
    --domain books --objective mse --out "$work/diverged"
expect 0 "" [ ! -e "$work/diverged/ferry.json" ]

# ---- transfer ----
expect 0 "" "$ferry" train $from -q --domain books --epochs 1 --out "$work/source"
transfer="$ferry transfer --from $work/source $from --epochs 1"
expect 0 "Usage: ferry transfer" "$ferry" transfer --help
expect 2 "--from is missing" "$ferry" transfer $from --domain films --out "$work/films"
expect 2 "--train some: expected all, adapters or both" $transfer --domain films --train some --out "$work/films"
expect 2 "one --domain is the target, but 2" $transfer --domain films,songs --out "$work/films"
expect 1 'trained on "books" already' $transfer --domain books --out "$work/films"
expect 0 "guard: ndcg@10 on 120 validation users: with the source" $transfer --domain films --out "$work/films"
expect 0 "guard: ndcg@10 on" $transfer --domain films --train both --shots 40% --out "$work/films"
expect 0 "films:" $transfer --domain films --train adapters --no-guard --out "$work/films"
expect 1 'no validation event of "solo" for the guard' $transfer --domain solo --out "$work/films"
expect 0 "no training events of films" $transfer --domain films --shots 0 --out "$work/zero"
expect 0 "ndcg@10" "$ferry" eval -q $from --domain films --resamples 0 --model "$work/zero"

# ---- Ctrl-C, and on from there ----
long="$train -q --batch 32 --epochs 150 --patience 0 --dim 32 --default-mix --no-across --checkpoint-every 7"
cat >"$work/interrupt" <<'END'
trap - INT
out=$1
shift
"$@" --out "$out" &
while [ ! -e "$out/checkpoint" ]; do sleep 0.01; done
kill -INT $!
wait $!
END
expect 130 "training was stopped after step" timeout 60 sh "$work/interrupt" "$work/stopped" $long
expect 0 "checkpoint" echo $(ls "$work/stopped")
expect 1 "checkpoint" $long --seed 5 --resume --out "$work/stopped" # another run's
expect 0 "" $long --out "$work/whole"
expect 0 "" $long --resume --threads 2 --out "$work/stopped"
expect 0 "" cmp "$work/whole/model.safetensors" "$work/stopped/model.safetensors"
expect 0 "" cmp "$work/whole/ferry.json" "$work/stopped/ferry.json"
expect 0 "" [ ! -e "$work/stopped/checkpoint" ]
mkdir "$work/damaged"
echo "no checkpoint" >"$work/damaged/checkpoint"
expect 1 "checkpoint" $long --resume --out "$work/damaged"

# ---- eval ----
eval="$ferry eval -q $from --domain books --resamples 0"
expect 0 "ndcg@10" $eval --model "$work/model"
for threads in 1 2; do
    $eval --model "$work/model" --threads $threads --save-users "$work/users$threads" >"$work/out" 2>&1
done
expect 0 "" cmp "$work/users1" "$work/users2"
expect 0 "ndcg@10" $eval --model "$work/model" --mix net=1
expect 0 "ndcg@10" $eval --model "$work/model" --mix title=1,author_last=0.5,tags=-1
expect 0 "ndcg@10" $eval --model "$work/plain" --mix neighbors=1
expect 0 "ndcg@10" "$ferry" eval -q $from --domain songs --part train --resamples 0 --model "$work/plain"
for wrong in nets=1 net net= =1 net=one net=1x net=nan net=inf "" , net=1, net=1,,text=1; do
    expect 1 "--mix \"$wrong\": expected FEATURE=NUMBER" $eval --model "$work/model" --mix "$wrong"
done
expect 2 "--model or --baseline is missing" $eval
expect 2 "--model and --baseline are given" $eval --model x --baseline popular
expect 2 "--model needs its --catalog" "$ferry" eval --data x --domain y --model z
expect 2 "--mix is a --model's" $eval --baseline popular --mix net=1
expect 1 "/no/such" $eval --model /no/such
expect 1 "ferry.json is missing" $eval --model "$work/data"
rm "$work/seed/model.safetensors"
expect 1 "model.safetensors is missing" $eval --model "$work/seed"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
