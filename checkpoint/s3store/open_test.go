package s3store

import (
	"bytes"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
)

func TestReadInOrderIsOneRequestForEachPart(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.PartBytes = minPartBytes
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	for size, requests := range map[int]int{
		1: 1, firstBytes: 1, firstBytes + 1: 1, minPartBytes: 1, minPartBytes + 1: 2, 4 * minPartBytes: 4,
	} {
		name := "job/" + strconv.Itoa(size)
		put(t, s, name, content(size))
		server.operations()
		require.True(t, bytes.Equal(content(size), read(t, s, name)), "%d bytes", size)
		require.Equal(t, requests, count(server.operations(), "GetObject"), "%d bytes", size)
	}
}

func TestReadsElsewhereReadNothingAhead(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	data := content(3 << 20)
	put(t, s, "job/a", data)
	var bytesSent atomic.Int64
	server.on("GetObject", func(n int, w http.ResponseWriter, r *http.Request) bool {
		answer := httptest.NewRecorder()
		server.objects.ServeHTTP(answer, r)
		if n > 1 {
			bytesSent.Add(int64(answer.Body.Len()))
		}
		return answered(w, answer)
	})
	o, err := s.Open(t.Context(), "job/a")
	require.NoError(t, err)
	p := make([]byte, 1000)
	for _, offset := range []int64{2 << 20, 1 << 20, 5, 3<<20 - 1000} {
		_, err = o.ReadAt(p, offset)
		require.NoError(t, err)
		require.Equal(t, data[offset:offset+1000], p)
	}
	require.NoError(t, o.Close())
	require.EqualValues(t, 3000, bytesSent.Load())
}

// answered writes an answer that was recorded.
func answered(w http.ResponseWriter, answer *httptest.ResponseRecorder) bool {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(answer.Body.Len()))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
	return true
}

func TestConcurrentReadersOfOneObject(t *testing.T) {
	server := newServer(t)
	o := server.options()
	o.PartBytes, o.PartsInFlight = minPartBytes, 2
	s, err := Open(t.Context(), "bucket", "p", o)
	require.NoError(t, err)
	data := content(4*minPartBytes + 123)
	put(t, s, "job/a", data)
	object, err := s.Open(t.Context(), "job/a")
	require.NoError(t, err)
	defer object.Close()
	var wait sync.WaitGroup
	for reader := range 6 {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(reader)))
			got := make([]byte, len(data))
			for from := 0; from < len(data); {
				to := min(len(data), from+1+random.IntN(minPartBytes/2)*(1+reader))
				n, err := object.ReadAt(got[from:to], int64(from))
				if n != to-from || err != nil {
					t.Errorf("ReadAt of %d bytes at %d: %d, %v", to-from, from, n, err)
					return
				}
				from = to
			}
			if !bytes.Equal(data, got) {
				t.Errorf("reader %d got other bytes", reader)
			}
		})
	}
	wait.Wait()
}

// Each response ends early, by a closed connection or after fewer bytes; the rest is requested.
func TestResponsesThatEndEarlyAreContinued(t *testing.T) {
	for _, size := range []int{100, firstBytes + 100_000, minPartBytes + 300_000} {
		for _, abrupt := range []bool{true, false} {
			server := newServer(t)
			o := server.options()
			o.PartBytes = minPartBytes
			s, err := Open(t.Context(), "bucket", "p", o)
			require.NoError(t, err)
			put(t, s, "job/a", content(size))
			server.on("GetObject", func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n%2 == 0 {
					return false
				}
				truncate(server.objects, w, r, abrupt)
				return true
			})
			require.True(t, bytes.Equal(content(size), read(t, s, "job/a")), "%d bytes", size)
		}
	}
}

// truncate serves two thirds of an answer, and then closes the connection; or it sends an answer
// that is shorter than its header says.
func truncate(objects http.Handler, w http.ResponseWriter, r *http.Request, abrupt bool) {
	answer := httptest.NewRecorder()
	objects.ServeHTTP(answer, r)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	body := answer.Body.Bytes()
	if abrupt {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	} else {
		w.Header().Del("Content-Length") // chunked
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(body[:len(body)*2/3])
	if abrupt {
		_ = http.NewResponseController(w).Flush()
		cutConnection()
	}
}

func TestAttemptsToReadAreBounded(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	put(t, s, "job/a", content(1000))
	server.on("GetObject", func(_ int, w http.ResponseWriter, r *http.Request) bool {
		truncate(server.objects, w, r, true)
		return true
	})
	server.operations()
	_, err := s.Open(t.Context(), "job/a")
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "s3://bucket/p/job/a")
	require.Equal(t, server.options().Retries+1, count(server.operations(), "GetObject"))
}

// A damaged response is repeated. The checksum covers the whole object, so it is known at the end,
// after the first bytes have been passed on.
func TestDamagedResponsesAreRepeated(t *testing.T) {
	for _, size := range []int{1000, firstBytes + 1000} {
		server := newServer(t)
		s := server.open(t, "p")
		put(t, s, "job/a", content(size))
		damage := func(from int) func(int, http.ResponseWriter, *http.Request) bool {
			return func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n >= from {
					answer := httptest.NewRecorder()
					server.objects.ServeHTTP(answer, r)
					if body := answer.Body.Bytes(); len(body) > 0 {
						body[len(body)-1] ^= 1
					}
					return answered(w, answer)
				}
				return false
			}
		}
		once := damage(1)
		server.on("GetObject", func(n int, w http.ResponseWriter, r *http.Request) bool { return n == 1 && once(n, w, r) })
		require.True(t, bytes.Equal(content(size), read(t, s, "job/a")))
		if size <= firstBytes {
			server.on("GetObject", damage(1))
			_, err := tryRead(t.Context(), s, "job/a")
			require.ErrorIs(t, err, ErrChecksum)
		}
	}
}

// The first bytes are damaged and were passed on before the checksum was known.
func TestDamagedFirstBytesAreAnError(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	put(t, s, "job/a", content(firstBytes+1000))
	server.on("GetObject", func(n int, w http.ResponseWriter, r *http.Request) bool {
		answer := httptest.NewRecorder()
		server.objects.ServeHTTP(answer, r)
		if n == 1 {
			answer.Body.Bytes()[0] ^= 1
		}
		return answered(w, answer)
	})
	_, err := tryRead(t.Context(), s, "job/a")
	require.ErrorIs(t, err, ErrChecksum)
}

func TestReplacedObjectIsAnError(t *testing.T) {
	for _, size := range []int{2 << 20, 100} { // of the new object
		server := newServer(t)
		s := server.open(t, "p")
		put(t, s, "job/a", content(2<<20))
		o, err := s.Open(t.Context(), "job/a")
		require.NoError(t, err)
		key := s.keys.of("job/a")
		_, err = s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(make([]byte, size))})
		require.NoError(t, err)
		_, err = o.ReadAt(make([]byte, 10), 1<<20)
		require.ErrorIs(t, err, ErrChanged)
		require.NotErrorIs(t, err, fs.ErrNotExist)
		server.on("GetObject", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			refuse(w, http.StatusPreconditionFailed, "PreconditionFailed") // from a server that honors If-Match
			return true
		})
		_, err = o.ReadAt(make([]byte, 10), 1<<20)
		require.ErrorIs(t, err, ErrChanged)
		require.NoError(t, o.Close())
	}
}

func TestRemovedObjectIsMissing(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	put(t, s, "job/a", content(2<<20))
	o, err := s.Open(t.Context(), "job/a")
	require.NoError(t, err)
	require.NoError(t, s.Remove(t.Context(), "job/a"))
	_, err = o.ReadAt(make([]byte, 10), 1<<20)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, o.Close())
}

func TestServerWithoutRanges(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	put(t, s, "job/small", content(1000))
	put(t, s, "job/large", content(2<<20))
	server.intercept(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		server.objects.ServeHTTP(w, r)
	})
	require.Equal(t, content(1000), read(t, s, "job/small"))
	require.True(t, bytes.Equal(content(2<<20), read(t, s, "job/large")), "the response of Open has all")
	o, err := s.Open(t.Context(), "job/large")
	require.NoError(t, err)
	_, err = o.ReadAt(make([]byte, 10), 1<<20)
	require.ErrorIs(t, err, ErrUnavailable)
	require.NoError(t, o.Close())
}

func TestOtherRangeThanRequestedIsAnError(t *testing.T) {
	for _, header := range []string{"bytes 1-10/1000", "bytes 0-9/5", "bytes */1000", "nonsense", "bytes 0-1/2/3", "bytes 5-1/9"} {
		server := newServer(t)
		s := server.open(t, "p")
		put(t, s, "job/a", content(1000))
		server.on("GetObject", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Range", header)
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(make([]byte, 10))
			return true
		})
		_, err := s.Open(t.Context(), "job/a")
		require.ErrorIs(t, err, ErrUnavailable, header)
	}
}

// A proxy may answer without the content that names the error.
func TestEmptyObjectOnAServerThatDoesNotNameTheError(t *testing.T) {
	server := newServer(t)
	s := server.open(t, "p")
	put(t, s, "job/a", nil)
	server.on("GetObject", func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return true
	})
	require.Empty(t, read(t, s, "job/a"))
}

func TestReadAfterCloseIsAnError(t *testing.T) {
	s := newServer(t).open(t, "p")
	put(t, s, "job/a", content(1000))
	o, err := s.Open(t.Context(), "job/a")
	require.NoError(t, err)
	n, err := o.ReadAt(make([]byte, 10), 1000)
	require.Zero(t, n)
	require.Equal(t, io.EOF, err)
	_, err = o.ReadAt(nil, -1)
	require.ErrorIs(t, err, fs.ErrInvalid)
	require.NoError(t, o.Close())
	require.NoError(t, o.Close())
	_, err = o.ReadAt(make([]byte, 10), 0)
	require.ErrorIs(t, err, fs.ErrClosed)
}

func FuzzRange(f *testing.F) {
	f.Add("bytes 0-99/1000")
	f.Add("bytes 0-99/*")
	f.Fuzz(func(t *testing.T, header string) {
		if from, to, size, ok := parseRange(header); ok {
			require.True(t, 0 <= from && from <= to && to < size)
		}
	})
}
