#ifndef PEERS_ROCKSDB_STORE_H
#define PEERS_ROCKSDB_STORE_H

#include <stddef.h>
#include <stdint.h>

// store is an open database with the options of its reads and writes.
typedef struct {
	void *db, *write, *get, *scan, *prefix;
	const void *snapshot;
	char *scratch; // the value of store_get
	size_t scratch_size;
} store;

// settings are the options of a store. Sizes are in bytes.
typedef struct {
	size_t cache, memtable;
	int memtables; // maximum number
	size_t prefix; // size of the prefix of keys; 0: no prefix extractor
} settings;

enum { STORE_PUT, STORE_DELETE, STORE_APPEND };

// batch is a list of operations. All keys are in one array without gaps: key i begins at the end
// of key i-1, and ends at key_ends[i]. Values are stored in the same way.
typedef struct {
	int n;
	const uint8_t *kinds;
	const char *keys, *values;
	const uint32_t *key_ends, *value_ends;
} batch;

// A function that returns char * returns an error message, or NULL for success. The caller frees
// the message with store_free.
char *store_open(store *s, const char *dir, settings o);
void store_close(store *s);
char *store_write(store *s, const batch *b);
// store_get copies the value of a key to scratch. It sets size to -1 if the key does not exist.
char *store_get(store *s, const char *key, size_t key_size, int64_t *size);
// store_get_all reads all keys without copying their values, and counts the keys that exist.
char *store_get_all(store *s, const batch *b, int64_t *found);
// store_change_all reads all keys and writes their values back with a number in the first 8 bytes:
// stamp + i for key i. It counts the keys that exist.
char *store_change_all(store *s, const batch *b, uint64_t stamp, int64_t *found);
char *store_settle(store *s);
void store_snapshot(store *s);
uint64_t store_disk_bytes(store *s);
void store_free(void *p);

// walk_open returns an iterator over the keys of a prefix, or over all keys if prefix_size is 0.
void *walk_open(store *s, const char *prefix, size_t prefix_size);
// walk_next copies entries to a buffer of room bytes, as many as fit. An entry is the sizes of key
// and value, 4 bytes each, and their bytes. walk_next returns the number of bytes that it has
// written, or 0 at the end. If the next entry does not fit an empty buffer, it returns the size
// of the entry, negated.
int64_t walk_next(void *iterator, char *to, size_t room);
char *walk_close(void *iterator);

#endif
