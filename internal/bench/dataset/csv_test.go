package dataset

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// csvOf returns a CSV file with the header and the lines.
func csvOf(lines string) io.Reader { return strings.NewReader(Header + "\n" + lines) }

func at(date string) Minute {
	t, err := time.Parse("2006-01-02 15:04", date)
	if err != nil {
		panic(err)
	}
	return Minute(t.Unix() / 60)
}

func named(s string) Airport { return NewAirport([3]byte([]byte(s))) }

func TestReaderReadsEveryField(t *testing.T) {
	for line, want := range map[string]Flight{
		"2001-01-01 00:01,33,2176,LAS,PHL":       {at("2001-01-01 00:01"), 33, 2176, named("LAS"), named("PHL")},
		"2000-02-29 23:59,-1116,0,ABQ,ABQ\n":     {at("2000-02-29 23:59"), -1116, 0, named("ABQ"), named("ABQ")},
		"2999-12-31 23:59,32767,65535,ZZZ,AAA\n": {at("2999-12-31 23:59"), 32767, 65535, named("ZZZ"), named("AAA")},
		"1970-01-01 00:00,-32768,0,AAA,ZZZ\n":    {0, -32768, 0, named("AAA"), named("ZZZ")},
	} {
		r, err := newFlightReader(csvOf(line))
		require.NoError(t, err)
		got, err := r.read()
		require.NoError(t, err, line)
		require.Equal(t, want, got, line)
		_, err = r.read()
		require.Equal(t, io.EOF, err)
	}
}

func TestErrorForMalformedLineNamesLineAndField(t *testing.T) {
	const good = "2001-01-01 00:01,33,2176,LAS,PHL\n"
	for bad, problem := range map[string]string{
		"\n":                                      "fields",
		"2001-01-01 00:01,33,2176,LAS":            "fields",
		"2001-01-01 00:01,33,2176,LAS,PHL,":       "fields",
		"2001-02-29 00:01,33,2176,LAS,PHL":        "date",
		"2001-01-01 24:00,33,2176,LAS,PHL":        "date",
		"2001-01-01 00:60,33,2176,LAS,PHL":        "date",
		"2001-01-01 0x:00,33,2176,LAS,PHL":        "date",
		"2001-01-01T00:01,33,2176,LAS,PHL":        "date",
		"1969-12-31 23:59,33,2176,LAS,PHL":        "date",
		"9999-01-01 00:00,33,2176,LAS,PHL":        "date",
		"2001-01-01 00:01,,2176,LAS,PHL":          "delay",
		"2001-01-01 00:01,-,2176,LAS,PHL":         "delay",
		"2001-01-01 00:01,3.5,2176,LAS,PHL":       "delay",
		"2001-01-01 00:01,32768,2176,LAS,PHL":     "delay",
		"2001-01-01 00:01,-32769,2176,LAS,PHL":    "delay",
		"2001-01-01 00:01,4294967297,2,LAS,PHL":   "delay",
		"2001-01-01 00:01,33,-1,LAS,PHL":          "distance",
		"2001-01-01 00:01,33,65536,LAS,PHL":       "distance",
		"2001-01-01 00:01,33,2176,LASX,PHL":       "origin",
		"2001-01-01 00:01,33,2176,las,PHL":        "origin",
		"2001-01-01 00:01,33,2176,LAS,P\xc3\xa9":  "destination",
		"2001-01-01 00:01,33,2176,LAS,PHL\r":      "destination",
		"2001-01-01 00:01,33,2176,LAS,\"PHL\"":    "destination",
		strings.Repeat("x", bufferBytes+1) + "\n": "longer",
		strings.Repeat("2001-01-01 00:01,3,", 50): "fields",
	} {
		r, err := newFlightReader(csvOf(good + good + bad))
		require.NoError(t, err)
		for range 2 {
			_, err := r.read()
			require.NoError(t, err)
		}
		_, err = r.read()
		var malformed *inputError
		require.ErrorAs(t, err, &malformed, "%.60q", bad)
		require.EqualValues(t, 4, malformed.line)
		require.Contains(t, malformed.problem, problem, "%.60q", bad)
		require.Less(t, len(err.Error()), 200)
	}
}

func TestUnknownHeaderIsAnError(t *testing.T) {
	for _, input := range []string{"", "\n", "date,delay\n", Header + ",x\n", "2001-01-01 00:01,33,2176,LAS,PHL\n"} {
		_, err := newFlightReader(strings.NewReader(input))
		var malformed *inputError
		require.ErrorAs(t, err, &malformed, "%q", input)
	}
}

func FuzzFlightIsReadFromItsString(f *testing.F) {
	f.Add([]byte("2001-01-01 00:01,33,2176,LAS,PHL\n2001-01-01 00:01,-1,5,ATL,SAV"))
	f.Add([]byte("2001-01-01 00:01,33,,,\n"))
	f.Fuzz(func(t *testing.T, lines []byte) {
		r, err := newFlightReader(csvOf(string(lines)))
		require.NoError(t, err)
		var malformed *inputError
		for {
			read, err := r.read()
			if err == io.EOF || errors.As(err, &malformed) {
				return
			}
			require.NoError(t, err)
			again, err := newFlightReader(csvOf(read.String()))
			require.NoError(t, err)
			reread, err := again.read()
			require.NoError(t, err)
			require.Equal(t, read, reread)
		}
	})
}
