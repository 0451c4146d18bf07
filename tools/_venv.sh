# Shared by the shell tools; meant to be sourced. Finds Python, makes an environment and keeps it valid.
#
#   mmlvs_venv runtime|tests   makes or reuses the environment and sets MMLVS_PY, its Python
#   mmlvs_any_python           sets MMLVS_PY without installing: $PYTHON, an active environment, .venv, python
#   mmlvs_srun PARTITION NAME  runs a command under Slurm
#
# MMLVS_VENV   where the environment lies (default: .venv in the checkout). An environment that was not made by these
#              tools is used as it is and never changed.
# PYTHON       the Python to make it with (default: the first python >= 3.10 that is found).
# MMLVS_PINS   0: install the newest versions that requirements/*.txt allow, not requirements/constraints-py3*.txt.
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

# Constraints that fit a Python, empty when there are none or they are not wanted.
mmlvs_constraints() {
  [ "${MMLVS_PINS:-1}" != 0 ] || return 0
  local file
  file=$MMLVS_ROOT/requirements/constraints-py$("$1" -c 'import sys; print("%d%d" % sys.version_info[:2])').txt
  [ ! -f "$file" ] || printf '%s' "$file"
}

# Hash of everything an environment depends on: mmlvs_stamp PYTHON runtime|tests
mmlvs_stamp() {
  local files=("$MMLVS_ROOT/requirements/runtime.txt") pins
  [ "$2" = runtime ] || files+=("$MMLVS_ROOT/requirements/tests.txt")
  pins=$(mmlvs_constraints "$1")
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

# Whether the packages are there and the two that most often break are whole: mmlvs_works PYTHON runtime|tests
mmlvs_works() {
  "$1" - "$2" <<'PY'
import importlib.util, sys
names = ['torch', 'numpy', 'scipy', 'PIL', 'h5py', 'pycocotools', 'safetensors', 'transformers', 'mmengine', 'mmcv', 'cv2']
names += ['tensorboard']
names += ['pytest', 'hypothesis', 'xdist', 'ruff'] if sys.argv[1] == 'tests' else []
missing = [name for name in names if importlib.util.find_spec(name) is None]
if missing:
    sys.exit('missing: ' + ', '.join(missing))
for name, part in (('torch', 'Tensor'), ('cv2', 'imread')):
    try:
        getattr(importlib.import_module(name), part)
    except (ImportError, AttributeError) as error:
        sys.exit(f'{name} cannot be imported: {error}')
PY
}

mmlvs_venv() {
  local kind=$1 venv=${MMLVS_VENV:-$MMLVS_ROOT/.venv} problem
  MMLVS_PY=$venv/bin/python
  if [ -e "$venv" ] && [ ! -f "$venv/.mmlvs-env" ]; then # somebody else's: use it, do not touch it
    if ! problem=$(mmlvs_works "$MMLVS_PY" "$kind" 2>&1); then
      mmlvs_die "the environment $venv cannot be used: $problem" \
        "It was not made by these tools, so it is left alone. Install what is missing:" \
        "$MMLVS_PY -m pip install -r requirements/runtime.txt$([ "$kind" = runtime ] || echo ' -r requirements/tests.txt')" \
        "or move it away, or choose another place: MMLVS_VENV=/some/folder bash $0"
    fi
    return
  fi
  mkdir -p "$(dirname "$venv")" || mmlvs_die "cannot make the folder $(dirname "$venv")." "Choose another: MMLVS_VENV=..."
  if command -v flock >/dev/null 2>&1; then # two commands at once must not both install
    exec 9>"$venv.lock" || mmlvs_die "cannot write beside $venv." "Choose another place: MMLVS_VENV=/some/folder bash $0"
    flock -n 9 || { mmlvs_say "waiting for another command that sets up $venv"; flock 9; }
  fi
  if [ -x "$MMLVS_PY" ] && problem=$(mmlvs_works "$MMLVS_PY" "$kind" 2>&1) \
    && [ "$(cat "$venv/.mmlvs-stamp-$kind" 2>/dev/null)" = "$(mmlvs_stamp "$MMLVS_PY" "$kind")" ]; then
    mmlvs_say "environment $venv is up to date"
  else
    if [ -f "$venv/.mmlvs-stamp-runtime" ] && ! problem=$(mmlvs_works "$MMLVS_PY" runtime 2>&1); then
      mmlvs_say "the environment $venv is broken and is made anew (${problem##*$'\n'})"
      rm -rf "$venv"
    fi
    mmlvs_install "$kind" "$venv"
  fi
  if command -v flock >/dev/null 2>&1; then exec 9>&-; fi
}

# Make or complete an environment: mmlvs_install runtime|tests FOLDER
mmlvs_install() {
  local kind=$1 venv=$2 files=(-r "$MMLVS_ROOT/requirements/runtime.txt") pins free start=$SECONDS
  mmlvs_find_python
  [ "$kind" = runtime ] || files+=(-r "$MMLVS_ROOT/requirements/tests.txt")
  free=$(($(df -Pk "$(dirname "$venv")" | awk 'NR == 2 {print $4}') / 1024))
  [ "$free" -ge 2500 ] || mmlvs_die "$free MiB are free at $(dirname "$venv"); the environment needs at least 2500." \
    "Free some space, or choose another disk: MMLVS_VENV=/some/folder bash $0"
  if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    mmlvs_say "making the environment $venv with $("$MMLVS_BASE" --version 2>&1)"
    rm -rf "$venv"
    mkdir -p "$venv" && : >"$venv/.mmlvs-env" # the mark first: an interrupted environment is still ours
    "$MMLVS_BASE" -m venv "$venv" >&2 || mmlvs_die "$MMLVS_BASE could not make the environment (see above)." \
      "On Debian or Ubuntu: sudo apt-get install python3-venv; or name another Python: PYTHON=... bash $0"
  fi
  rm -f "$venv"/.mmlvs-stamp-*
  trap 'trap - INT; printf "\ninterrupted. Run the same command again: it goes on where it stopped.\n" >&2; exit 130' INT
  pins=$(mmlvs_constraints "$MMLVS_PY")
  mmlvs_say "installing packages; torch is the largest (0.2 GB to fetch for CPUs, about 2 GB with CUDA): a few minutes"
  if ! mmlvs_pip "$venv" "${files[@]}" ${pins:+-c "$pins"}; then
    if [ -n "$pins" ] && ! grep -qE "$MMLVS_NETWORK_TROUBLE" "$venv/pip.log" \
      && grep -qE 'No matching distribution|ResolutionImpossible|Could not find a version' "$venv/pip.log"; then
      mmlvs_say "the pinned versions of $(basename "$pins") cannot be had here; trying the ranges of requirements/*.txt"
      mmlvs_pip "$venv" "${files[@]}" || mmlvs_explain "$venv"
    else
      mmlvs_explain "$venv"
    fi
  fi
  mmlvs_headless_last "$venv"
  if [ "$venv" = "$MMLVS_ROOT/.venv" ]; then # an environment outside may serve several checkouts: PYTHONPATH says which
    mmlvs_pip "$venv" --no-deps -e "$MMLVS_ROOT" || mmlvs_explain "$venv"
  fi
  mmlvs_works "$MMLVS_PY" "$kind" || mmlvs_die "the environment $venv is not complete (see above)." \
    "Remove it and run the command again: rm -rf $venv"
  mmlvs_stamp "$MMLVS_PY" "$kind" >"$venv/.mmlvs-stamp-$kind"
  [ "$kind" = runtime ] || mmlvs_stamp "$MMLVS_PY" runtime >"$venv/.mmlvs-stamp-runtime"
  trap - INT
  mmlvs_say "environment ready after $((SECONDS - start)) s"
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
  mmlvs_die "no Python found." "Run 'bash tools/quickstart.sh' once, which makes one in .venv, or activate your environment."
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
