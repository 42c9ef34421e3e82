package wal

const (
	defaultBufferBytes    = 64 << 10
	defaultMaxRecordBytes = 1 << 30
	minBufferBytes        = 512
)

// Options configure a Writer. The zero value is what most want.
type Options struct {
	// BufferBytes is how much is held in memory before it is handed to the
	// system, 512 B to 1 MiB; what is outside is brought inside. A Writer has
	// two such buffers. Default 64 KiB. A file that is synced for each record
	// needs no more than a record.
	BufferBytes int

	// MaxRecordBytes is the largest size of a record, never more than 2^31 - 1.
	// Default 1 GiB.
	MaxRecordBytes int64
}

func (o Options) withDefaults() Options {
	if o.BufferBytes <= 0 {
		o.BufferBytes = defaultBufferBytes
	}
	o.BufferBytes = min(max(o.BufferBytes, minBufferBytes), payloadBytes)
	if o.MaxRecordBytes <= 0 {
		o.MaxRecordBytes = defaultMaxRecordBytes
	}
	o.MaxRecordBytes = min(o.MaxRecordBytes, maxRecordBytes)
	return o
}
