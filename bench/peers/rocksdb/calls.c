//go:build cgo && (linux || darwin)

#include "calls.h"

#include <dlfcn.h>

#define CALL(result, name, arguments) result(*rocksdb_##name) arguments;
ROCKSDB_CALLS(CALL)
#undef CALL

static const char *const libraries[] = {
    "librocksdb.so",    "librocksdb.so.10", "librocksdb.so.9",  "librocksdb.so.8.9",
    "librocksdb.so.8",  "librocksdb.so.7.8", "librocksdb.so.7", "librocksdb.dylib",
};

const char *calls_load(void) {
	void *library = NULL;
	for (size_t i = 0; library == NULL && i < sizeof(libraries) / sizeof(libraries[0]); i++)
		library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) return "librocksdb";
#define CALL(result, name, arguments)                                        \
	if ((*(void **)&rocksdb_##name = dlsym(library, "rocksdb_" #name)) == NULL) \
		return "rocksdb_" #name;
	ROCKSDB_CALLS(CALL)
#undef CALL
	return NULL;
}
