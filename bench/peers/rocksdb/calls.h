#ifndef PEERS_ROCKSDB_CALLS_H
#define PEERS_ROCKSDB_CALLS_H

#include <stddef.h>
#include <stdint.h>

// The functions of RocksDB's C interface that store.c uses: result, name, arguments.
#define ROCKSDB_CALLS(CALL)                                                                      \
	CALL(void *, options_create, (void))                                                         \
	CALL(void, options_destroy, (void *))                                                        \
	CALL(void, options_set_create_if_missing, (void *, unsigned char))                           \
	CALL(void, options_set_compression, (void *, int))                                           \
	CALL(void, options_set_write_buffer_size, (void *, size_t))                                  \
	CALL(void, options_set_max_write_buffer_number, (void *, int))                               \
	CALL(void, options_set_max_background_jobs, (void *, int))                                   \
	CALL(void, options_set_level_compaction_dynamic_level_bytes, (void *, unsigned char))        \
	CALL(void, options_set_allow_concurrent_memtable_write, (void *, unsigned char))             \
	CALL(void, options_set_memtable_prefix_bloom_size_ratio, (void *, double))                   \
	CALL(void, options_set_prefix_extractor, (void *, void *))                                   \
	CALL(void, options_set_merge_operator, (void *, void *))                                     \
	CALL(void, options_set_block_based_table_factory, (void *, void *))                          \
	CALL(void *, block_based_options_create, (void))                                             \
	CALL(void, block_based_options_destroy, (void *))                                            \
	CALL(void, block_based_options_set_block_cache, (void *, void *))                            \
	CALL(void, block_based_options_set_filter_policy, (void *, void *))                          \
	CALL(void, block_based_options_set_format_version, (void *, int))                            \
	CALL(void, block_based_options_set_data_block_index_type, (void *, int))                     \
	CALL(void *, cache_create_lru, (size_t))                                                     \
	CALL(void, cache_destroy, (void *))                                                          \
	CALL(void *, filterpolicy_create_bloom_full, (double))                                       \
	CALL(void *, slicetransform_create_fixed_prefix, (size_t))                                   \
	CALL(void *, mergeoperator_create,                                                           \
	     (void *, void (*)(void *),                                                              \
	      char *(*)(void *, const char *, size_t, const char *, size_t, const char *const *,     \
	                const size_t *, int, unsigned char *, size_t *),                             \
	      char *(*)(void *, const char *, size_t, const char *const *, const size_t *, int,      \
	                unsigned char *, size_t *),                                                  \
	      void (*)(void *, const char *, size_t), const char *(*)(void *)))                      \
	CALL(void *, open, (void *, const char *, char **))                                          \
	CALL(void, close, (void *))                                                                  \
	CALL(void *, writeoptions_create, (void))                                                    \
	CALL(void, writeoptions_destroy, (void *))                                                   \
	CALL(void, writeoptions_disable_WAL, (void *, int))                                          \
	CALL(void *, readoptions_create, (void))                                                     \
	CALL(void, readoptions_destroy, (void *))                                                    \
	CALL(void, readoptions_set_total_order_seek, (void *, unsigned char))                        \
	CALL(void, readoptions_set_prefix_same_as_start, (void *, unsigned char))                    \
	CALL(void *, flushoptions_create, (void))                                                    \
	CALL(void, flushoptions_destroy, (void *))                                                   \
	CALL(void, flushoptions_set_wait, (void *, unsigned char))                                   \
	CALL(void, flush, (void *, void *, char **))                                                 \
	CALL(void, put, (void *, void *, const char *, size_t, const char *, size_t, char **))       \
	CALL(void, merge, (void *, void *, const char *, size_t, const char *, size_t, char **))     \
	CALL(void, delete, (void *, void *, const char *, size_t, char **))                          \
	CALL(void *, get_pinned, (void *, void *, const char *, size_t, char **))                    \
	CALL(const char *, pinnableslice_value, (void *, size_t *))                                  \
	CALL(void, pinnableslice_destroy, (void *))                                                  \
	CALL(void *, create_iterator, (void *, void *))                                              \
	CALL(void, iter_destroy, (void *))                                                           \
	CALL(unsigned char, iter_valid, (void *))                                                    \
	CALL(void, iter_seek_to_first, (void *))                                                     \
	CALL(void, iter_seek, (void *, const char *, size_t))                                        \
	CALL(void, iter_next, (void *))                                                              \
	CALL(const char *, iter_key, (void *, size_t *))                                             \
	CALL(const char *, iter_value, (void *, size_t *))                                           \
	CALL(void, iter_get_error, (void *, char **))                                                \
	CALL(const void *, create_snapshot, (void *))                                                \
	CALL(void, release_snapshot, (void *, const void *))                                         \
	CALL(int, property_int, (void *, const char *, uint64_t *))                                  \
	CALL(void, free, (void *))

// calls_load loads the library. It returns NULL, or the name of the library or function that was
// not found.
const char *calls_load(void);

#define CALL(result, name, arguments) extern result(*rocksdb_##name) arguments;
ROCKSDB_CALLS(CALL)
#undef CALL

#endif
