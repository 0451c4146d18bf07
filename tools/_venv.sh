# Shared by the shell tools; meant to be sourced. Finds Python, makes an environment and keeps it valid.
#
#   mmlvs_venv runtime|tests|full  makes or reuses the environment and sets MMLVS_PY, its Python
#   mmlvs_any_python               sets MMLVS_PY without installing: $PYTHON, an active environment, .venv, python
#   mmlvs_srun PARTITION NAME      runs a command under Slurm
#
# MMLVS_VENV       where the environment lies (default: .venv in the checkout). An environment that was not made by
#                  these tools is used as it is and never changed.
# MMLVS_VENV_FULL  the same for the full stack (default: .venv-full): MMDetection, timm, compiled MMCV operators.
# MMLVS_CACHE      where compiled MMCV wheels are kept (default: ~/.cache/mmlvs), one for each Python and torch.
# MAX_JOBS         compilers at once (default: as many as cores); each takes up to 2 GB of memory.
# PYTHON           the Python to make an environment with (default: the first python >= 3.10 that is found).
# MMLVS_PINS       a file of versions to install in place of requirements/constraints-*.txt; 0: the newest versions that
#                  requirements/*.txt allow.
# pip's own settings (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, pip.conf, ...) are respected.

MMLVS_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
MMLVS_NETWORK_TROUBLE='NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|Temporary failure'
export PYTHONPATH="$MMLVS_ROOT${PYTHONPATH:+:$PYTHONPATH}"

mmlvs_say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

mmlvs_die() {
  printf '\nerror: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '       %s\n' "$line" >&2; done
  exit 1
}

# The first Python >= 3.10 that can make environments, in MMLVS_BASE.
mmlvs_find_python() {
  local candidate seen='' old='' bare=''
  for candidate in ${PYTHON:-python3 python python3.12 python3.11 python3.10 python3.13 python3.14}; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    "$candidate" -c '' >/dev/null 2>&1 || continue
    seen=$candidate
    if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
      old="$candidate ($("$candidate" --version 2>&1))"
    elif ! "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
      bare=$candidate
    else
      MMLVS_BASE=$candidate
      return
    fi
  done
  if [ -n "$bare" ]; then
    mmlvs_die "$bare has no 'venv' module." "On Debian or Ubuntu: sudo apt-get install python3-venv" \
      "or name another Python: PYTHON=/path/to/python3.11 bash $0"
  fi
  mmlvs_die "no Python >= 3.10 found${old:+, only $old}." \
    "Install one (Debian or Ubuntu: sudo apt-get install python3 python3-venv; or conda, uv, pyenv)," \
    "or name it: PYTHON=/path/to/python3.11 bash $0"
}

# Constraints that fit a Python, empty when there are none or they are not wanted: mmlvs_constraints PYTHON KIND
mmlvs_constraints() {
  local file full=''
  case "${MMLVS_PINS:-1}" in
    0) return ;;
    1) ;;
    *) [ -f "$MMLVS_PINS" ] || mmlvs_die "MMLVS_PINS names no file: $MMLVS_PINS" \
        "Give a file of versions such as requirements/constraints-oldest.txt, or 0 for the newest."
      printf '%s' "$MMLVS_PINS"
      return ;;
  esac
  [ "$2" != full ] || full=full-
  file=$MMLVS_ROOT/requirements/constraints-${full}py$("$1" -c 'import sys; print("%d%d" % sys.version_info[:2])').txt
  [ ! -f "$file" ] || printf '%s' "$file"
}

# The requirement files of a kind: runtime|tests|full
mmlvs_files() {
  printf '%s\n' "$MMLVS_ROOT/requirements/runtime.txt"
  [ "$1" = runtime ] || printf '%s\n' "$MMLVS_ROOT/requirements/tests.txt"
  [ "$1" != full ] || printf '%s\n' "$MMLVS_ROOT/requirements/full-build.txt" "$MMLVS_ROOT/requirements/full.txt"
}

# Hash of everything an environment depends on: mmlvs_stamp PYTHON runtime|tests|full
mmlvs_stamp() {
  local files pins
  mapfile -t files < <(mmlvs_files "$2")
  pins=$(mmlvs_constraints "$1" "$2")
  [ -z "$pins" ] || files+=("$pins")
  "$1" - "${files[@]}" <<'PY'
import hashlib, platform, sys
digest = hashlib.sha256(f'{sys.version_info[:3]} {platform.machine()}'.encode())
for name in sys.argv[1:]:
    with open(name, 'rb') as file:
        digest.update(file.read())
print(digest.hexdigest()[:16])
PY
}

# Whether the packages are there and those that most often break are whole: mmlvs_works PYTHON runtime|tests|full
mmlvs_works() {
  "$1" -W ignore - "$2" <<'PY'
import importlib, importlib.util, sys
kind = sys.argv[1]
names = ['torch', 'numpy', 'scipy', 'PIL', 'h5py', 'pycocotools', 'safetensors', 'transformers', 'mmengine', 'mmcv']
names += ['cv2', 'tensorboard']
names += ['pytest', 'hypothesis', 'xdist', 'ruff'] if kind != 'runtime' else []
names += ['torchvision', 'timm', 'mmdet', 'mmseg'] if kind == 'full' else []
missing = [name for name in names if importlib.util.find_spec(name) is None]
if missing:
    sys.exit('missing: ' + ', '.join(missing))
parts = [('torch', 'Tensor'), ('cv2', 'imread')]
if kind == 'full':  # the compiled operators fail for a torch other than the one they were compiled with
    parts += [('torchvision.ops', 'nms'), ('mmcv.ops', 'nms'), ('timm', 'create_model'), ('mmdet.models', 'ResNet')]
for name, part in parts:
    try:
        getattr(importlib.import_module(name), part)
    except (ImportError, AttributeError) as error:
        sys.exit(f'{name} cannot be imported: {error}')
PY
}

# How to choose another place: mmlvs_place KIND
mmlvs_place() { printf 'MMLVS_VENV%s=/some/folder bash %s' "$([ "$1" != full ] || echo _FULL)" "$0"; }

mmlvs_venv() {
  local kind=$1 venv=${MMLVS_VENV:-$MMLVS_ROOT/.venv} problem
  [ "$kind" != full ] || venv=${MMLVS_VENV_FULL:-$MMLVS_ROOT/.venv-full}
  MMLVS_PY=$venv/bin/python
  if [ -e "$venv" ] && [ ! -f "$venv/.mmlvs-env" ]; then # somebody else's: use it, do not touch it
    if ! problem=$(mmlvs_works "$MMLVS_PY" "$kind" 2>&1); then
      mmlvs_die "the environment $venv cannot be used: $problem" \
        "It was not made by these tools, so it is left alone. Install what is missing:" \
        "$MMLVS_PY -m pip install$(mmlvs_files "$kind" | sed "s|$MMLVS_ROOT/| -r |" | tr -d '\n')" \
        "$([ "$kind" != full ] || echo "(MMCV's operators must be compiled, see docs/en/faq.md); ")or move it away," \
        "or choose another place: $(mmlvs_place "$kind")"
    fi
    return
  fi
  mkdir -p "$(dirname "$venv")" || mmlvs_die "cannot make the folder $(dirname "$venv")." \
    "Choose another place: $(mmlvs_place "$kind")"
  if command -v flock >/dev/null 2>&1; then # two commands at once must not both install
    exec 9>"$venv.lock" || mmlvs_die "cannot write beside $venv." "Choose another place: $(mmlvs_place "$kind")"
    flock -n 9 || { mmlvs_say "waiting for another command that sets up $venv"; flock 9; }
  fi
  if [ -x "$MMLVS_PY" ] && problem=$(mmlvs_works "$MMLVS_PY" "$kind" 2>&1) \
    && [ "$(cat "$venv/.mmlvs-stamp-$kind" 2>/dev/null)" = "$(mmlvs_stamp "$MMLVS_PY" "$kind")" ]; then
    mmlvs_say "environment $venv is up to date"
  else
    local base=runtime
    [ "$kind" != full ] || base=full
    if [ -f "$venv/.mmlvs-stamp-$base" ] && ! problem=$(mmlvs_works "$MMLVS_PY" "$base" 2>&1); then
      mmlvs_say "the environment $venv is broken and is made anew (${problem##*$'\n'})"
      rm -rf "$venv"
    fi
    mmlvs_install "$kind" "$venv"
  fi
  if command -v flock >/dev/null 2>&1; then exec 9>&-; fi
}

# Make or complete an environment: mmlvs_install runtime|tests|full FOLDER
mmlvs_install() {
  local kind=$1 venv=$2 files=() file pins free need=2500 start=$SECONDS
  mmlvs_find_python
  while read -r file; do files+=(-r "$file"); done < <(mmlvs_files "$kind")
  [ "$kind" != full ] || need=10000
  free=$(($(df -Pk "$(dirname "$venv")" | awk 'NR == 2 {print $4}') / 1024))
  [ "$free" -ge "$need" ] || mmlvs_die "$free MiB are free at $(dirname "$venv"); the environment needs $need." \
    "Free some space, or choose another disk: $(mmlvs_place "$kind")"
  if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    mmlvs_say "making the environment $venv with $("$MMLVS_BASE" --version 2>&1)"
    rm -rf "$venv"
    mkdir -p "$venv" && : >"$venv/.mmlvs-env" # the mark first: an interrupted environment is still ours
    "$MMLVS_BASE" -m venv "$venv" >&2 || mmlvs_die "$MMLVS_BASE could not make the environment (see above)." \
      "On Debian or Ubuntu: sudo apt-get install python3-venv; or name another Python: PYTHON=... bash $0"
  fi
  rm -f "$venv"/.mmlvs-stamp-*
  trap 'trap - INT; printf "\ninterrupted. The same command again goes on where it stopped.\n" >&2; exit 130' INT
  pins=$(mmlvs_constraints "$MMLVS_PY" "$kind")
  mmlvs_say "installing packages; torch is the largest (0.2 GB to fetch for CPUs, about 2 GB with CUDA): a few minutes"
  if [ "$kind" = full ]; then # torch first, MMCV is compiled against it
    mmlvs_pinned "$venv" "$pins" torch torchvision -r "$MMLVS_ROOT/requirements/full-build.txt"
    mmlvs_mmcv_wheel "$venv"
    files+=("$MMLVS_WHEEL")
  fi
  mmlvs_pinned "$venv" "$pins" "${files[@]}"
  mmlvs_headless_last "$venv"
  if [ "$kind" = full ] && ! "$MMLVS_PY" -W ignore -c 'import mmcv.ops'; then
    mmlvs_say "the compiled MMCV in $MMLVS_WHEEL does not fit this environment; compiling it anew"
    rm -f "$MMLVS_WHEEL"
    mmlvs_mmcv_wheel "$venv"
    mmlvs_pip "$venv" --force-reinstall --no-deps "$MMLVS_WHEEL" || mmlvs_explain "$venv"
  fi
  if [ "$venv" = "$MMLVS_ROOT/.venv" ]; then # an environment outside may serve several checkouts: PYTHONPATH says which
    mmlvs_pip "$venv" --no-deps -e "$MMLVS_ROOT" || mmlvs_explain "$venv"
  fi
  mmlvs_works "$MMLVS_PY" "$kind" || mmlvs_die "the environment $venv is not complete (see above)." \
    "Remove it and run the command again: rm -rf $venv"
  mmlvs_stamp "$MMLVS_PY" "$kind" >"$venv/.mmlvs-stamp-$kind"
  [ "$kind" != tests ] || mmlvs_stamp "$MMLVS_PY" runtime >"$venv/.mmlvs-stamp-runtime"
  trap - INT
  mmlvs_say "environment ready after $((SECONDS - start)) s"
}

# pip install with constraints, or without where they cannot be had: mmlvs_pinned FOLDER CONSTRAINTS ARGUMENTS...
mmlvs_pinned() {
  local venv=$1 pins=$2
  shift 2
  if ! mmlvs_pip "$venv" "$@" ${pins:+-c "$pins"}; then
    if [ -n "$pins" ] && ! grep -qE "$MMLVS_NETWORK_TROUBLE" "$venv/pip.log" \
      && grep -qE 'No matching distribution|ResolutionImpossible|Could not find a version' "$venv/pip.log"; then
      mmlvs_say "the pinned versions of $(basename "$pins") cannot be had here; trying the ranges of requirements/*.txt"
      mmlvs_pip "$venv" "$@" || mmlvs_explain "$venv"
    else
      mmlvs_explain "$venv"
    fi
  fi
}

# Sets MMLVS_WHEEL to an MMCV wheel with compiled operators for the torch of an environment; made when there is none.
mmlvs_mmcv_wheel() {
  local venv=$1 key folder wheel build jobs pins log=$1/mmcv.log start=$SECONDS version
  pins=$(mmlvs_constraints "$MMLVS_PY" full)
  version=$([ -z "$pins" ] || sed -nE 's/^onedl-mmcv(==.*)/\1/p' "$pins")
  key=$("$MMLVS_PY" - "${FORCE_CUDA:-}" "$version" "$MMLVS_ROOT/requirements/full.txt" \
    "$MMLVS_ROOT/requirements/full-build.txt" <<'PY'
import hashlib, pathlib, platform, sys
import torch
facts = [sys.version_info[:2], platform.machine(), torch.__version__, torch.cuda.is_available(), *sys.argv[1:3]]
digest = hashlib.sha256(str(facts).encode())
for name in sys.argv[3:]:
    digest.update(pathlib.Path(name).read_bytes())
print('mmcv-py%d%d-torch%s-%s' % (*sys.version_info[:2], torch.__version__, digest.hexdigest()[:12]))
PY
  ) || mmlvs_die "torch cannot be imported in $venv." "Remove the environment and run the command again: rm -rf $venv"
  folder=${MMLVS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/mmlvs}/$key
  mkdir -p "$folder" || mmlvs_die "cannot make the folder $folder." "Choose another: MMLVS_CACHE=/some/folder bash $0"
  for wheel in "$folder"/*.whl; do
    [ -e "$wheel" ] || continue
    if mmlvs_compiled "$wheel"; then
      mmlvs_say "compiled MMCV: $wheel"
      MMLVS_WHEEL=$wheel
      return
    fi
    mmlvs_say "$wheel is broken and is compiled anew"
    rm -f "$wheel"
  done
  command -v "${CXX:-c++}" >/dev/null 2>&1 || mmlvs_die "compiling MMCV's operators needs a C++ compiler." \
    "On Debian or Ubuntu: sudo apt-get install build-essential; or name one: CXX=/path/to/g++ bash $0"
  jobs=${MAX_JOBS:-$(mmlvs_cores)}
  build=$(mktemp -d "$folder/build.XXXXXX")
  mmlvs_say "compiling MMCV's operators with $jobs jobs: 10 to 40 minutes on two cores, once; log: $log"
  # without --no-cache-dir pip takes a wheel without operators that it made for another environment
  MMCV_WITH_OPS=1 MAX_JOBS=$jobs PATH="$venv/bin:$PATH" "$MMLVS_PY" -m pip wheel -v --no-cache-dir \
    --no-build-isolation --no-deps --no-binary onedl-mmcv --wheel-dir "$build" "onedl-mmcv$version" >"$log" 2>&1 || {
    tail -n 20 "$log" | cut -c 1-300 >&2
    rm -rf "$build"
    mmlvs_die "MMCV's operators could not be compiled (see above)." "Full log: $log" \
      "Where memory ran out, compile with fewer jobs: MAX_JOBS=1"
  }
  wheel=$(ls "$build"/*.whl)
  mmlvs_compiled "$wheel" || mmlvs_die "pip made $(basename "$wheel"), without compiled operators." "Full log: $log"
  mv -f "$wheel" "$folder/"
  rm -rf "$build"
  MMLVS_WHEEL=$folder/$(basename "$wheel")
  mmlvs_say "compiled MMCV after $((SECONDS - start)) s: $MMLVS_WHEEL"
}

# Cores that this process may use.
mmlvs_cores() {
  "$MMLVS_PY" -c 'import os; print(len(getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count()))(0)))'
}

# Whether a file is a whole wheel with compiled operators.
mmlvs_compiled() {
  [[ $1 != *-none-any.whl ]] && "$MMLVS_PY" - "$1" 2>/dev/null <<'PY'
import sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
sys.exit(wheel.testzip() is not None or not any(name.startswith('mmcv/_ext.') for name in wheel.namelist()))
PY
}

# pip install into an environment; what it did is in FOLDER/pip.log.
mmlvs_pip() {
  local venv=$1
  shift
  rm -f "$venv/pip.log"
  export PIP_DISABLE_PIP_VERSION_CHECK=1
  local pip=("$venv/bin/python" -m pip install --log "$venv/pip.log" "$@")
  if [ -t 1 ]; then # a terminal shows pip's progress bars
    "${pip[@]}"
  else
    "${pip[@]}" > >(sed -unE 's/^(Collecting [^ ]+).*/  \1/p; s/^(Building wheels|Installing).*/  \1 .../p' >&2)
  fi
}

# opencv-python (brought by onedl-mmcv) and the headless package write the same folder; the one without libGL must win.
mmlvs_headless_last() {
  local version
  "$1/bin/python" -m pip show -q opencv-python >/dev/null 2>&1 || return 0
  version=$("$1/bin/python" -c 'from importlib.metadata import version; print(version("opencv-python-headless"))')
  mmlvs_pip "$1" --force-reinstall --no-deps "opencv-python-headless==$version" || mmlvs_explain "$1"
}

# Say why pip failed, as far as its log tells, and end.
mmlvs_explain() {
  local log=$1/pip.log
  local again="then run the same command again: it goes on where it stopped. Full log: $log"
  if grep -qi 'No space left' "$log"; then
    mmlvs_die "the disk is full." "Free some space (5 GB without CUDA is plenty), $again"
  elif grep -qE "$MMLVS_NETWORK_TROUBLE" "$log"; then
    mmlvs_die "the package index cannot be reached." \
      "Check the network; behind a proxy set https_proxy, with a mirror set PIP_INDEX_URL," "$again"
  fi
  mmlvs_die "pip could not install the packages (see above)." "Full log: $log"
}

mmlvs_any_python() {
  local candidate
  for candidate in "${PYTHON:-}" "${VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}" "${CONDA_PREFIX:+$CONDA_PREFIX/bin/python}" \
    "${MMLVS_VENV:-$MMLVS_ROOT/.venv}/bin/python" python python3; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1; then
      MMLVS_PY=$candidate
      return
    fi
  done
  mmlvs_die "no Python found." \
    "Run 'bash tools/quickstart.sh' once, which makes one in .venv, or activate your environment."
}

# Run a command under Slurm, one process a GPU: mmlvs_srun PARTITION JOB_NAME COMMAND...
mmlvs_srun() {
  local gpus=${GPUS:-8} node=${GPUS_PER_NODE:-8} gres extra
  [ "$gpus" -ge "$node" ] || node=$gpus
  gres=${GRES-gpu:$node}
  read -ra extra <<<"${SRUN_ARGS:-}"
  command -v srun >/dev/null 2>&1 || mmlvs_die "there is no srun here." \
    "Run this on a node that submits to Slurm, or use tools/dist_train.sh and tools/dist_test.sh without Slurm."
  srun -p "$1" --job-name="$2" ${gres:+--gres="$gres"} --ntasks="$gpus" --ntasks-per-node="$node" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 ${extra[@]+"${extra[@]}"} "${@:3}"
}
