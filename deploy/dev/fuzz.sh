#!/usr/bin/env bash
# fuzz.sh [TARGET] [SECONDS] - fuzzes one target, or each of them, for a set time with coverage as its guide. Exits 1 when an input crashes a target or
# breaks one of its invariants, and says where that input is. Runs from the root of the repository, with tests/Identity.Fuzzing built.
set -euo pipefail
built=artifacts/bin/Identity.Fuzzing/debug work=.dev/fuzz corpus=tests/Identity.Fuzzing/Corpus
all=$("$built/identity-fuzz" list) targets=$all seconds=60
for argument; do
  case "$argument" in
    *[!0-9]*) grep -qx -- "$argument" <<<"$all" || { echo "fuzz: no target '$argument'; there are:" $all >&2; exit 2; }; targets=$argument ;;
    *) seconds=$argument ;;
  esac
done

# What is known is tried first: it needs no fuzzer.
"$built/identity-fuzz" replay "$corpus"
fuzzer=$(deploy/dev/afl.sh "$PWD/.dev/afl") || { echo "fuzz: coverage guidance cannot be had on this machine (no afl-fuzz); only the corpus was replayed." >&2; exit 1; }

# One at a time: a second run would take the instrumented program from under the first.
mkdir -p "$work"; exec 9>"$work/lock"
flock -n 9 || { echo "fuzz: another ./dev fuzz runs here; wait for its end." >&2; exit 1; }
rm -rf "$work/bin"; cp -r "$built" "$work/bin"
for assembly in Spiffe.Net Identity.Issuance Identity.Policy; do "$built/identity-fuzz" instrument "$work/bin/$assembly.dll"; done

# The limits are those of a shared machine: no core handler to turn off, no CPU to bind to, no governor to set.
export AFL_SKIP_BIN_CHECK=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1 AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CRASHES=1 AFL_NO_COLOR=1
# A method is compiled once and for good, so that the same input takes the same branches.
export DOTNET_TieredCompilation=0 AFL_FORKSRV_INIT_TMOUT=60000
status=0
for target in $targets; do
  out=$work/$target; rm -rf "$out"
  code=0; timeout -k 10 $((seconds + 120)) "$fuzzer" -i "$corpus/$target" -o "$out" -V "$seconds" -m none -t 5000 -- "$work/bin/identity-fuzz" run "$target" >"$work/$target.log" 2>&1 || code=$?
  stats=$out/default/fuzzer_stats
  if [ ! -f "$stats" ]; then tail -n 20 "$work/$target.log" >&2; echo "fuzz: $target did not start (afl-fuzz exited with $code); see $work/$target.log." >&2; status=1; continue; fi
  value() { sed -n "s/^$1 *: *//p" "$stats"; }
  findings=$(find "$out/default/crashes" "$out/default/hangs" -type f -name 'id*' 2>/dev/null | sort)
  echo "$target: $(value execs_done) inputs in $(value run_time) s, $(value corpus_count) kept for new branches, $(value bitmap_cvg) of the map, stability $(value stability), $(grep -c . <<<"$findings" || true) findings"
  [ -n "$findings" ] || continue
  status=1; saved=$work/findings/$target; mkdir -p "$saved"
  for finding in $findings; do cp "$finding" "$saved/$(sha256sum "$finding" | cut -c1-16)"; done
  echo "fuzz: inputs that broke $target are in $saved; to see how: $built/identity-fuzz replay $work/findings" >&2
done
exit $status
