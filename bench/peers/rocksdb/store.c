//go:build cgo && (linux || darwin)

#include "store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "calls.h"

// The merge operator concatenates the operands.

static char *join_all(const char *old, size_t old_size, const char *const *parts, const size_t *sizes,
                      int n, unsigned char *ok, size_t *size) {
	size_t total = old_size;
	for (int i = 0; i < n; i++) total += sizes[i];
	char *joined = malloc(total > 0 ? total : 1), *at = joined;
	if (old_size > 0) memcpy(at, old, old_size);
	at += old_size;
	for (int i = 0; i < n; at += sizes[i++]) memcpy(at, parts[i], sizes[i]);
	*ok = 1;
	*size = total;
	return joined;
}

static char *join_full(void *state, const char *key, size_t key_size, const char *old, size_t old_size,
                       const char *const *parts, const size_t *sizes, int n, unsigned char *ok, size_t *size) {
	(void)state, (void)key, (void)key_size;
	return join_all(old, old_size, parts, sizes, n, ok, size);
}

static char *join_part(void *state, const char *key, size_t key_size, const char *const *parts,
                       const size_t *sizes, int n, unsigned char *ok, size_t *size) {
	(void)state, (void)key, (void)key_size;
	return join_all(NULL, 0, parts, sizes, n, ok, size);
}

static void join_drop(void *state, const char *value, size_t size) {
	(void)state, (void)size;
	free((void *)value);
}

static const char *join_name(void *state) {
	(void)state;
	return "peers.join";
}

static void join_end(void *state) { (void)state; }

static void *table_options(settings o) {
	void *t = rocksdb_block_based_options_create();
	void *cache = rocksdb_cache_create_lru(o.cache);
	rocksdb_block_based_options_set_block_cache(t, cache);
	rocksdb_cache_destroy(cache); // the options share it
	rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_block_based_options_set_format_version(t, 5);
	rocksdb_block_based_options_set_data_block_index_type(t, 1); // with a hash index
	return t;
}

static void *make_options(settings o) {
	void *options = rocksdb_options_create(), *tables = table_options(o);
	rocksdb_options_set_create_if_missing(options, 1);
	rocksdb_options_set_compression(options, 1); // Snappy
	rocksdb_options_set_write_buffer_size(options, o.memtable);
	rocksdb_options_set_max_write_buffer_number(options, o.memtables);
	rocksdb_options_set_max_background_jobs(options, 2);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
	rocksdb_options_set_allow_concurrent_memtable_write(options, 0); // one writer
	rocksdb_options_set_block_based_table_factory(options, tables);
	rocksdb_block_based_options_destroy(tables);
	rocksdb_options_set_merge_operator(
	    options, rocksdb_mergeoperator_create(NULL, join_end, join_full, join_part, join_drop, join_name));
	if (o.prefix > 0) {
		rocksdb_options_set_prefix_extractor(options, rocksdb_slicetransform_create_fixed_prefix(o.prefix));
		rocksdb_options_set_memtable_prefix_bloom_size_ratio(options, 0.1);
	}
	return options;
}

char *store_open(store *s, const char *dir, settings o) {
	char *error = NULL;
	void *options = make_options(o);
	memset(s, 0, sizeof *s);
	s->db = rocksdb_open(options, dir, &error);
	rocksdb_options_destroy(options);
	if (error != NULL) return error;
	s->write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_disable_WAL(s->write, 1);
	s->get = rocksdb_readoptions_create();
	s->scan = rocksdb_readoptions_create();
	rocksdb_readoptions_set_total_order_seek(s->scan, 1);
	s->prefix = rocksdb_readoptions_create();
	rocksdb_readoptions_set_prefix_same_as_start(s->prefix, 1);
	return NULL;
}

void store_close(store *s) {
	if (s->snapshot != NULL) rocksdb_release_snapshot(s->db, s->snapshot);
	rocksdb_writeoptions_destroy(s->write);
	rocksdb_readoptions_destroy(s->get);
	rocksdb_readoptions_destroy(s->scan);
	rocksdb_readoptions_destroy(s->prefix);
	rocksdb_close(s->db);
	free(s->scratch);
}

void store_free(void *p) { rocksdb_free(p); }

static size_t begin(const uint32_t *ends, int i) { return i == 0 ? 0 : ends[i - 1]; }

char *store_write(store *s, const batch *b) {
	char *error = NULL;
	for (int i = 0; i < b->n && error == NULL; i++) {
		size_t key_at = begin(b->key_ends, i), value_at = begin(b->value_ends, i);
		const char *key = b->keys + key_at, *value = b->values + value_at;
		size_t key_size = b->key_ends[i] - key_at, value_size = b->value_ends[i] - value_at;
		switch (b->kinds[i]) {
		case STORE_PUT:
			rocksdb_put(s->db, s->write, key, key_size, value, value_size, &error);
			break;
		case STORE_APPEND:
			rocksdb_merge(s->db, s->write, key, key_size, value, value_size, &error);
			break;
		default:
			rocksdb_delete(s->db, s->write, key, key_size, &error);
		}
	}
	return error;
}

// keep copies a value to scratch, which grows if necessary.
static void keep(store *s, const char *value, size_t size) {
	if (s->scratch_size < size) {
		free(s->scratch);
		s->scratch = malloc(size);
		s->scratch_size = size;
	}
	memcpy(s->scratch, value, size);
}

char *store_get(store *s, const char *key, size_t key_size, int64_t *size) {
	char *error = NULL;
	*size = -1;
	void *pinned = rocksdb_get_pinned(s->db, s->get, key, key_size, &error);
	if (error != NULL || pinned == NULL) return error;
	size_t value_size;
	const char *value = rocksdb_pinnableslice_value(pinned, &value_size);
	keep(s, value, value_size);
	*size = (int64_t)value_size;
	rocksdb_pinnableslice_destroy(pinned);
	return NULL;
}

char *store_get_all(store *s, const batch *b, int64_t *found) {
	char *error = NULL;
	volatile size_t bytes = 0;
	*found = 0;
	for (int i = 0; i < b->n; i++) {
		size_t at = begin(b->key_ends, i), size;
		void *pinned = rocksdb_get_pinned(s->db, s->get, b->keys + at, b->key_ends[i] - at, &error);
		if (error != NULL) return error;
		if (pinned == NULL) continue;
		rocksdb_pinnableslice_value(pinned, &size);
		bytes += size;
		++*found;
		rocksdb_pinnableslice_destroy(pinned);
	}
	return NULL;
}

char *store_change_all(store *s, const batch *b, uint64_t stamp, int64_t *found) {
	*found = 0;
	for (int i = 0; i < b->n; i++) {
		size_t at = begin(b->key_ends, i), key_size = b->key_ends[i] - at;
		int64_t size;
		char *error = store_get(s, b->keys + at, key_size, &size);
		if (error != NULL) return error;
		if (size < 0) continue;
		++*found;
		uint64_t changed = stamp + (uint64_t)i;
		if (size >= 8) memcpy(s->scratch, &changed, 8);
		rocksdb_put(s->db, s->write, b->keys + at, key_size, s->scratch, (size_t)size, &error);
		if (error != NULL) return error;
	}
	return NULL;
}

static uint64_t property(store *s, const char *name) {
	uint64_t value = 0;
	return rocksdb_property_int(s->db, name, &value) == 0 ? value : 0;
}

static int busy(store *s) {
	return property(s, "rocksdb.num-running-compactions") > 0 || property(s, "rocksdb.compaction-pending") > 0 ||
	       property(s, "rocksdb.num-running-flushes") > 0;
}

char *store_settle(store *s) {
	char *error = NULL;
	void *options = rocksdb_flushoptions_create();
	rocksdb_flushoptions_set_wait(options, 1);
	rocksdb_flush(s->db, options, &error);
	rocksdb_flushoptions_destroy(options);
	const struct timespec moment = {0, 10 * 1000 * 1000};
	for (int idle = 0; error == NULL && idle < 3; idle++) {
		if (busy(s)) idle = 0;
		nanosleep(&moment, NULL);
	}
	return error;
}

void store_snapshot(store *s) {
	if (s->snapshot != NULL) rocksdb_release_snapshot(s->db, s->snapshot);
	s->snapshot = rocksdb_create_snapshot(s->db);
}

uint64_t store_disk_bytes(store *s) { return property(s, "rocksdb.total-sst-files-size"); }

void *walk_open(store *s, const char *prefix, size_t prefix_size) {
	void *iterator = rocksdb_create_iterator(s->db, prefix_size > 0 ? s->prefix : s->scan);
	if (prefix_size > 0)
		rocksdb_iter_seek(iterator, prefix, prefix_size);
	else
		rocksdb_iter_seek_to_first(iterator);
	return iterator;
}

int64_t walk_next(void *iterator, char *to, size_t room) {
	size_t used = 0;
	for (; rocksdb_iter_valid(iterator); rocksdb_iter_next(iterator)) {
		size_t key_size, value_size;
		const char *key = rocksdb_iter_key(iterator, &key_size);
		const char *value = rocksdb_iter_value(iterator, &value_size);
		size_t need = 8 + key_size + value_size;
		if (need > room - used) return used > 0 ? (int64_t)used : -(int64_t)need;
		uint32_t sizes[2] = {(uint32_t)key_size, (uint32_t)value_size};
		memcpy(to + used, sizes, 8);
		memcpy(to + used + 8, key, key_size);
		memcpy(to + used + 8 + key_size, value, value_size);
		used += need;
	}
	return (int64_t)used;
}

char *walk_close(void *iterator) {
	char *error = NULL;
	rocksdb_iter_get_error(iterator, &error);
	rocksdb_iter_destroy(iterator);
	return error;
}
