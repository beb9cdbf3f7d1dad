#!/usr/bin/env bash
# The verbs as a user calls them: synth, logits, convert, tokenize, render, show, and how they fail.
# usage: cli_test.sh PATH_TO_HADAL     prints one line per failure; exit 1 if there was any
set -u
hadal=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
same() { cmp -s "$1" "$2" || fail "$3: $1 and $2 differ"; }
# expect_error CODE PATTERN COMMAND...: the exit code, and what the message on stderr must hold
expect_error() {
  local code=$1 pattern=$2
  shift 2
  "$@" >out.txt 2>err.txt
  local found=$?
  [ "$found" = "$code" ] || fail "$*: exit $found, expected $code ($(head -c 300 err.txt))"
  grep -q -- "$pattern" err.txt || fail "$*: stderr lacks '$pattern': $(head -c 300 err.txt)"
  [ -s out.txt ] && fail "$*: wrote to stdout: $(head -c 100 out.txt)"
}

cat >config.json <<'END'
{"architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4", "vocab_size": 320, "hidden_size": 64,
 "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 32, "qk_rope_head_dim": 8,
 "q_lora_rank": 32, "o_groups": 2, "o_lora_rank": 32, "sliding_window": 16, "compress_ratios": [0, 4, 128, 4, 0],
 "rope_theta": 10000, "compress_rope_theta": 160000, "max_position_embeddings": 1024,
 "rope_scaling": {"type": "yarn", "factor": 16, "original_max_position_embeddings": 64, "beta_fast": 32, "beta_slow": 1},
 "index_n_heads": 32, "index_head_dim": 16, "index_topk": 5, "n_routed_experts": 6, "num_experts_per_tok": 3,
 "n_shared_experts": 1, "moe_intermediate_size": 96, "num_hash_layers": 1, "scoring_func": "sqrtsoftplus",
 "routed_scaling_factor": 2.5, "swiglu_limit": 0.6, "hc_mult": 4, "hc_sinkhorn_iters": 20, "hc_eps": 1e-3,
 "rms_norm_eps": 1e-5, "num_nextn_predict_layers": 1, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
END
tokens=$(for i in $(seq 0 127); do printf "%s%d" "${i:+,}" $((i * 7 % 320)); done)
tokens=${tokens#,}

# --- synth and logits: containers, types, passes, threads ---
for dtype in f32 bf16 native; do
  "$hadal" synth --config config.json --out "st-$dtype" --format safetensors --dtype $dtype 2>synth.txt || fail "synth safetensors $dtype: $(cat synth.txt)"
  "$hadal" synth --config config.json --out "$dtype.gguf" --format gguf --dtype $dtype 2>synth.txt || fail "synth gguf $dtype: $(cat synth.txt)"
  for model in "st-$dtype" "$dtype.gguf"; do
    "$hadal" logits -m "$model" --tokens "$tokens" --json >"$model.json" 2>err.txt || fail "logits $model: $(cat err.txt)"
    [ "$(grep -c '\[' "$model.json")" = 128 ] || fail "logits $model: expected 128 rows"
    "$hadal" logits -m "$model" --tokens "$tokens" --json --chunk 7 -t 1 >chunks.json 2>err.txt
    same "$model.json" chunks.json "chunks of 7 on one thread"
    "$hadal" logits -m "$model" --tokens "$tokens" --json --decode-from 60 -t 2 >decode.json 2>err.txt
    same "$model.json" decode.json "prefill of 60, then one by one"
    "$hadal" logits -m "$model" --tokens "$tokens" --json --decode-from 100 --chunk 33 >decode.json 2>err.txt
    same "$model.json" decode.json "chunked prefill of 100, then one by one"
  done
done
same st-f32.json f32.gguf.json "f32 in both containers"
same st-bf16.json bf16.gguf.json "bf16 in both containers"
cmp -s st-native.json native.gguf.json && fail "FP8 + FP4 and Q8_0 + MXFP4 give equal logits: is one of them not read?"

# --- convert: the dequantised twin is the same model, and containers carry the vocabulary ---
for model in st-native native.gguf; do
  "$hadal" convert -m $model --out "twin-$model" --format safetensors --dtype f32 2>err.txt || fail "convert $model: $(cat err.txt)"
  "$hadal" logits -m "twin-$model" --tokens "$tokens" --json >twin.json 2>err.txt
  "$hadal" logits -m "$model" --exact --tokens "$tokens" --json >"$model-exact.json" 2>err.txt
  same "$model-exact.json" twin.json "dequantised twin of $model, float32 activations"
  # By default the cpu backend rounds activations to int8 before quantised weights (decision 0007).
  paste -d ' ' "$model-exact.json" $model.json | grep -E '^ *\[-?[0-9]' | tr '[]{},' '     ' | awk -v model="$model" '
    { for (i = 1; i <= NF / 2; i++) {
        d = $i - $(i + NF / 2); if (d < 0) d = -d; if (d > worst) worst = d
        v = $i; if (v < 0) v = -v; if (v > largest) largest = v } }
    END { printf "%s: int8 activations change logits by at most %.4f of the largest\n", model, worst / largest
          exit !(worst > 0 && worst < 0.2 * largest) }' || fail "$model: int8 activations changed nothing or too much"
done
"$hadal" convert -m st-native --out back.gguf --format gguf --dtype f32 2>err.txt || fail "convert to gguf: $(cat err.txt)"
"$hadal" logits -m back.gguf --tokens "$tokens" --json >back.json 2>err.txt
same st-native-exact.json back.json "safetensors native to gguf f32"
printf 'Hello <think> \xff w\xc3\xb6rld\n' >text.txt
for model in st-f32 f32.gguf back.gguf twin-native.gguf; do
  "$hadal" tokenize -m $model <text.txt >ids.txt 2>err.txt || fail "tokenize $model: $(cat err.txt)"
  "$hadal" tokenize -m st-f32 <text.txt >expected.txt 2>err.txt
  same ids.txt expected.txt "tokenize $model"
done
"$hadal" tokenize -m st-f32 --special <text.txt >special.txt 2>err.txt
cmp -s special.txt expected.txt && fail "tokenize --special does not map <think>"
"$hadal" show st-native --json >show.json 2>err.txt || fail "show: $(cat err.txt)"
grep -q '"hidden_size"' show.json || fail "show --json lacks the config"
"$hadal" run -m st-f32 --raw -p "abc" -n 5 --seed 3 >one.txt 2>err.txt || fail "run: $(cat err.txt)"
"$hadal" run -m st-f32 --raw -p "abc" -n 5 --seed 3 --draft 2 -t 1 >two.txt 2>err.txt || fail "run --draft: $(cat err.txt)"
same one.txt two.txt "run with and without drafts"

# --- world model: structure tokens are 200 .. 305 in the order of StructureTokens::name ---
world='"world_model": {"after_layer": 1, "latent_dim": 32, "n_heads": 4, "head_dim": 8, "intermediate": 48,'
world+=" \"n_latent_steps\": 2, \"max_latent_steps\": 3, \"structure_tokens\": [$(seq -s, 200 305)]},"
sed "s/\"num_nextn_predict_layers\"/$world &/" config.json >world.json
"$hadal" synth --config world.json --out world 2>err.txt || fail "synth world: $(cat err.txt)"
"$hadal" synth --config world.json --out world.gguf --format gguf >out.txt 2>err.txt && fail "synth wrote a world model as GGUF"
grep -q "world_model" err.txt || fail "synth does not say why no GGUF: $(cat err.txt)"
event=1,2,200,211,208,7,209,3,203,212,207,211,208,9,10,209,4  # text, mech e1, text, act e2 by e1, text
world_logits() { "$hadal" logits -m "$1" --json --tokens "$2" "${@:3}" 2>err.txt || fail "logits $*: $(cat err.txt)"; }
world_logits world 0,7,14,21,28,35 >text.json
world_logits st-f32 0,7,14,21,28,35 >plain.json
same text.json plain.json "text without events, with a world model and without key"
world_logits world $event >on.json
world_logits world $event --world-model on --chunk 3 -t 1 >chunks.json
world_logits world $event --world-model off >off.json
world_logits st-f32 $event >plain.json
same on.json chunks.json "events in chunks of 3 on one thread"
same off.json plain.json "world model off and without key"
cmp -s on.json off.json && fail "events change nothing"
world_logits world $event --latent-steps 3 >steps.json
cmp -s on.json steps.json && fail "--latent-steps changes nothing"
expect_error 2 "1 to 3" "$hadal" logits -m world --tokens 1 --latent-steps 4
expect_error 2 "has none" "$hadal" logits -m st-f32 --tokens 1 --world-model on

# --- quantize: blocks of 256, and widths that they do not fit ---
sed 's/"hidden_size": 64/"hidden_size": 256/; s/"moe_intermediate_size": 96/"moe_intermediate_size": 256/' config.json >wide.json
"$hadal" synth --config wide.json --mtp --out wide.gguf --format gguf --dtype native 2>err.txt || fail "synth wide: $(cat err.txt)"
for type in q4_0 q4_k q5_k q6_k; do
  "$hadal" quantize -m wide.gguf --out $type.gguf --type $type 2>err.txt || fail "quantize $type: $(cat err.txt)"
  "$hadal" show $type.gguf --json >show.json 2>err.txt || fail "show $type: $(cat err.txt)"
  grep -qi "\"$type\"" show.json || fail "show $type.gguf --json names no $type"
  "$hadal" logits -m $type.gguf --tokens "$tokens" --json >quantized.json 2>err.txt || fail "logits $type: $(cat err.txt)"
  [ "$(grep -c '\[' quantized.json)" = 128 ] || fail "logits $type: expected 128 rows"
  "$hadal" convert -m $type.gguf --out "twin-$type" --format safetensors --dtype f32 2>err.txt || fail "convert $type: $(cat err.txt)"
  "$hadal" logits -m $type.gguf --backend ref --tokens "${tokens%,*}" --json >quantized.json 2>err.txt
  "$hadal" logits -m "twin-$type" --backend ref --tokens "${tokens%,*}" --json >twin.json 2>err.txt
  same quantized.json twin.json "dequantised twin of $type"
done
[ -s mtp-q4_k.gguf ] || fail "quantize wrote no mtp-q4_k.gguf"
"$hadal" quantize -m st-native --out narrow.gguf --type q4_k --type-rest Q6_K 2>err.txt || fail "quantize narrow: $(cat err.txt)"
grep -q "instead of Q4_K, because 64 columns" err.txt || fail "quantize does not say what did not fit: $(cat err.txt)"
expect_error 2 "another name" "$hadal" quantize -m wide.gguf --out ./wide.gguf --type q4_k
expect_error 2 "another name" "$hadal" convert -m st-f32 --out st-f32 --format safetensors
expect_error 2 "type" "$hadal" quantize -m wide.gguf --out x.gguf --type q2_k
expect_error 2 "no use for type" "$hadal" quantize -m wide.gguf --out x.gguf --type mxfp4 --imatrix wide.gguf
expect_error 1 "importance matrix" "$hadal" quantize -m wide.gguf --out x.gguf --type q4_k --imatrix wide.gguf
[ -e x.gguf ] && fail "a refused quantize left a file"

# --- imatrix: what it writes is of use to quantize, the same for any number of threads ---
"$hadal" imatrix -m wide.gguf -f text.txt -o text.imatrix --chunk 16 2>err.txt || fail "imatrix: $(cat err.txt)"
grep -q "chunk 1 of" err.txt || fail "imatrix shows no progress: $(cat err.txt)"
"$hadal" imatrix -m wide.gguf -f text.txt -o again.imatrix --chunk 16 -t 1 2>err.txt || fail "imatrix -t 1: $(cat err.txt)"
same text.imatrix again.imatrix "imatrix with any number of threads"
"$hadal" quantize -m wide.gguf --out important.gguf --type q4_k --imatrix text.imatrix 2>err.txt || fail "quantize --imatrix: $(cat err.txt)"
"$hadal" show important.gguf --json >show.json 2>err.txt || fail "show important.gguf: $(cat err.txt)"
cmp -s important.gguf q4_k.gguf && fail "the importance matrix changed nothing"
expect_error 1 "another model" "$hadal" quantize -m f32.gguf --out x.gguf --type q4_0 --imatrix text.imatrix
expect_error 1 "nowhere" "$hadal" imatrix -m ./nowhere -f text.txt -o x.imatrix
expect_error 2 "file" "$hadal" imatrix -m wide.gguf -o x.imatrix
: >empty.txt
expect_error 2 "no token" "$hadal" imatrix -m wide.gguf -f empty.txt -o x.imatrix
expect_error 2 "another name" "$hadal" imatrix -m wide.gguf -f text.txt -o ./text.txt
expect_error 2 "another name" "$hadal" imatrix -m wide.gguf -f text.txt -o wide.gguf
[ -e x.imatrix ] && fail "a refused imatrix left a file"

# --- arrange: the same logits from the cached file, told by show, removed again ---
export XDG_CACHE_HOME=$work/cache
"$hadal" logits -m wide.gguf --tokens "$tokens" --json >stored.json 2>err.txt || fail "logits: $(cat err.txt)"
"$hadal" show wide.gguf >show.txt 2>err.txt
grep -q "hadal arrange" show.txt || fail "show does not say that weights can be arranged"
"$hadal" arrange -m wide.gguf 2>err.txt || fail "arrange: $(cat err.txt)"
panels=$(echo cache/hadal/arranged/wide.gguf-*.panels)
[ -s "$panels" ] || fail "arrange left no file in the cache"
grep -q "$panels" err.txt || fail "arrange does not name its file: $(cat err.txt)"
"$hadal" arrange -m wide.gguf 2>err.txt || fail "arrange again: $(cat err.txt)"
grep -q "already" err.txt || fail "arrange does its work twice: $(cat err.txt)"
"$hadal" show wide.gguf 2>err.txt | grep -q "$panels" || fail "show does not name the arranged weights"
"$hadal" show wide.gguf --json 2>err.txt | grep -q "$panels" || fail "show --json does not name the arranged weights"
for flags in "" --as-stored; do
  "$hadal" logits -m wide.gguf --tokens "$tokens" --json $flags >arranged.json 2>err.txt || fail "logits $flags: $(cat err.txt)"
  same stored.json arranged.json "logits of arranged weights $flags"
done
touch -d "2020-01-01" wide.gguf
"$hadal" logits -m wide.gguf --tokens "$tokens" --json >arranged.json 2>err.txt || fail "logits of a changed file: $(cat err.txt)"
grep -q "have changed since" err.txt || fail "no warning about arranged weights of another state: $(cat err.txt)"
"$hadal" arrange --remove -m wide.gguf 2>err.txt || fail "arrange --remove: $(cat err.txt)"
[ -e "$panels" ] && fail "arrange --remove left the file"
expect_error 1 "no arranged weights" "$hadal" arrange --remove -m wide.gguf
expect_error 1 "part of the program" "$hadal" arrange -m builtin
expect_error 1 "nothing to arrange" "$hadal" arrange -m f32.gguf
unset XDG_CACHE_HOME

# --- render ---
echo '{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}' >messages.json
"$hadal" render --messages messages.json --think high >prompt.txt 2>err.txt || fail "render: $(cat err.txt)"
printf '<｜begin▁of▁sentence｜><｜User｜>a\n\nb<｜Assistant｜><think>' >expected.txt
same prompt.txt expected.txt "render"

# --- errors ---
expect_error 2 "320" "$hadal" logits -m st-f32 --tokens 1,320 --json
expect_error 2 "outside" "$hadal" logits -m st-f32 --tokens=-1 --json
expect_error 1 "nowhere" "$hadal" logits -m ./nowhere --tokens 1
expect_error 2 "" "$hadal" logits --no-such-flag
expect_error 2 "" "$hadal" no-such-verb
sed 's/deepseek_v4/deepseek_v41/; s/DeepseekV4For/DeepseekV41For/' config.json >v41.json
expect_error 1 "V4.1" "$hadal" synth --config v41.json --out v41 --format safetensors --dtype f32
cp -r st-f32 cut && truncate -s -1000 cut/model.safetensors
expect_error 1 "cut/model.safetensors" "$hadal" logits -m cut --tokens 1,2
cp -r st-f32 wrong && sed -i 's/"hidden_size": *64/"hidden_size": 96/' wrong/config.json
expect_error 1 "embed.weight" "$hadal" logits -m wrong --tokens 1,2
head -c 5000 f32.gguf >cut.gguf
expect_error 1 "cut.gguf" "$hadal" logits -m cut.gguf --tokens 1,2
echo '{"messages": [{"role": "user"' >broken.json
expect_error 1 "broken.json" "$hadal" render --messages broken.json

[ $failures = 0 ] && echo "all command line checks passed"
exit $((failures > 0))
