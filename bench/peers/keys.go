package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
)

// mix is the finalizer of splitmix64, a bijection on 64 bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// keyKinds has, for each kind of keys, a function that appends key i. All keys of a kind are
// different. They begin with the number of one of 128 key groups, in two bytes.
var keyKinds = map[string]func(dst []byte, i uint64) []byte{
	"hashed": hashedKey,
	"sequential": func(dst []byte, i uint64) []byte {
		dst = append(dst, 0, byte(mix(i)>>57))
		return binary.BigEndian.AppendUint64(dst, i)
	},
	"string": func(dst []byte, i uint64) []byte { // 16 to 64 bytes after the group
		h := mix(i)
		dst = append(dst, 0, byte(h>>57))
		from := len(dst)
		dst = fmt.Appendf(dst, "user/%011d", i)
		for len(dst)-from < 16+int(h%49) {
			dst = append(dst, "abcdefghijklmnop"[mix(h+uint64(len(dst)))%16])
		}
		return dst
	},
}

// hashedKey appends 2 bytes of key group and 8 bytes of hash.
func hashedKey(dst []byte, i uint64) []byte {
	h := mix(i)
	return binary.BigEndian.AppendUint64(append(dst, 0, byte(h>>57)), h)
}

// prefixBytes is the size of a hashedKey, which is the prefix of all keys of a map.
const prefixBytes = 10

// mapKey appends the key of a map entry.
func mapKey(dst []byte, prefix, suffix uint64) []byte {
	return binary.BigEndian.AppendUint64(hashedKey(dst, prefix), suffix)
}

// someValues returns 1024 values. The first half of each is random, the second half is zeros.
func someValues(size int) [][]byte {
	r := rand.New(rand.NewPCG(7, 7))
	values := make([][]byte, 1024)
	for i := range values {
		values[i] = make([]byte, size)
		for j := range (size + 1) / 2 {
			values[i][j] = byte(r.Uint32())
		}
	}
	return values
}

// order is a permutation of the numbers below n. It adds a constant step modulo n; step and n have
// no common factor, so each number occurs once.
type order struct{ n, step, at uint64 }

func newOrder(n, seed uint64) *order {
	step := mix(seed) % n
	for gcd(step, n) != 1 {
		step++
	}
	return &order{n: n, step: step}
}

func (o *order) next() uint64 {
	o.at = (o.at + o.step) % o.n
	return o.at
}

func gcd(a, b uint64) uint64 {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// zipf draws numbers below n in a Zipf distribution: low numbers are more frequent. The algorithm
// is that of YCSB (Gray et al., "Quickly generating billion-record synthetic databases", SIGMOD
// 1994).
type zipf struct {
	r                      *rand.Rand
	n, theta               float64
	alpha, zeta, eta, half float64
}

func newZipf(r *rand.Rand, n uint64, theta float64) *zipf {
	z := &zipf{r: r, n: float64(n), theta: theta, alpha: 1 / (1 - theta)}
	for i := uint64(1); i <= n; i++ {
		z.zeta += math.Pow(float64(i), -theta)
	}
	z.half = 1 + math.Pow(0.5, theta)
	z.eta = (1 - math.Pow(2/z.n, 1-theta)) / (1 - z.half/z.zeta)
	return z
}

func (z *zipf) next() uint64 {
	u := z.r.Float64()
	switch uz := u * z.zeta; {
	case uz < 1:
		return 0
	case uz < z.half:
		return 1
	}
	return uint64(min(z.n-1, z.n*math.Pow(z.eta*u-z.eta+1, z.alpha)))
}
