# SPDX-License-Identifier: MIT
# Where the CUDA module is searched: beside the program or the library that runs, never in the current
# folder, whatever name the program or the library was started or loaded by.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
: "${CONFGEN_LIB:?the built library}" "${LEAVE_MARK:?tests/tools/leave_mark}" "${LIBDIR:?the folder of libraries}"
unset CONFGEN_CUDA_MODULE
export CONFGEN_DATA=$data
module=confgen/confgen_cuda.so
plugin=$CONFGEN_PLUGIN_PATH/cache/paged/cache_paged.so

# put FOLDER NAME...: copies of the object that leaves a mark
put() {
  local folder=$1 name
  shift
  for name; do
    mkdir -p "$(dirname "$folder/$name")"
    cp "$LEAVE_MARK" "$folder/$name"
  done
}
# starts WHAT PROGRAM: `doctor` and `plugins check` in the hostile folder say that there is no module
starts() {
  CONFGEN=$2
  run 0 doctor && verdict "$1: doctor" grep -Eq '^GPUs +none: this build has no CUDA module' "$work/out"
  run 0 plugins check "$plugin" --only 'memory bound' --rounds 1 &&
    verdict "$1: plugins check" grep -q '^cuda: not checked: this build has no CUDA module' "$work/out"
  verdict "$1: nothing of the current folder is loaded" test ! -e loaded
  rm -f loaded
}
# loads_library: the library, loaded by a relative name from $work/place, searches the module in the hostile folder
loads_library() {
  (cd "$work/place" && python3 -c '
import ctypes, os, sys
library = ctypes.CDLL("lib/libconfgen.so.0")
os.chdir(sys.argv[1])
n = ctypes.c_int32()
sys.exit(0 if library.cg_gpu_count(ctypes.byref(n), None) else 1)' "$work/hostile/x")
}

mkdir -p place/bin place/lib hostile/x
cp "$CONFGEN" place/bin/confgen
cp -L "$CONFGEN_LIB" place/lib/libconfgen.so.0
ln -s ../place/bin/confgen hostile/link
put hostile/x "$module" "../$LIBDIR/$module" cuda/confgen_cuda.so core/cuda/confgen_cuda.so "lib/$module" \
  lib/cuda/confgen_cuda.so lib/libconfgen.so.0
cd hostile/x

say 'without a module'
PATH=$work/place/bin:$PATH starts 'through PATH' confgen
PATH=../../place/bin:$PATH starts 'through a relative folder of PATH' confgen
starts 'by a relative path' ../../place/bin/confgen
starts 'by a link' ../link
if command -v python3 >/dev/null && ! ldd "$CONFGEN" | grep -q 'lib[a-z]san'; then
  verdict 'the library by a relative name' loads_library
  verdict 'the library: nothing of the current folder is loaded' test ! -e loaded
  put "$work/place/lib" "$module"
  verdict 'the library with a module beside it' loads_library
  verdict 'that module is loaded' test -e loaded
  rm -rf loaded "$work/place/lib/confgen"
fi

say 'with a module of the installation'
put "$work/place/bin" "../$LIBDIR/$module"
CONFGEN=confgen PATH=$work/place/bin:$PATH run 0 doctor &&
  verdict 'the module beside the program is tried' \
    grep -Eq "^GPUs +none: '$work/place/bin/../$LIBDIR/$module' has version unknown" "$work/out"
verdict 'it is loaded' test -e loaded
rm -f loaded

say 'a name without a slash'
put . local.so
CONFGEN_CUDA_MODULE=local.so run 0 doctor &&
  verdict 'is a file of the current folder' grep -Eq "^GPUs +none: './local.so' has version unknown" "$work/out"
finish
