package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/weirstate/weir/state/codec"
)

func ExampleStruct() {
	type Visit struct {
		User  string
		Page  int32
		Notes []string
	}
	visits := codec.Struct("visit", 1,
		codec.Field("user", func(v *Visit) *string { return &v.User }, codec.String[string]()),
		codec.Field("page", func(v *Visit) *int32 { return &v.Page }, codec.Int[int32]()),
		codec.Field("notes", func(v *Visit) *[]string { return &v.Notes }, codec.Slice(codec.String[string]())),
	)
	raw, err := visits.Append(nil, Visit{User: "ann", Page: 7, Notes: []string{"hi"}})
	fmt.Printf("%x %v\n", raw, err)
	back, err := visits.Decode(raw)
	fmt.Printf("%+v %v\n", back, err)
	fmt.Println(visits.ID())
	// Output:
	// 616e6e00018000000701026869 <nil>
	// {User:ann Page:7 Notes:[hi]} <nil>
	// visit/1(user:string/1,page:int32/1,notes:slice/1(string/1))
}

// A codec of two functions, here for a length in micrometres that is never
// negative, as a uvarint.
func ExampleFunc() {
	type Length int64
	lengths := codec.Func("length", 1,
		func(dst []byte, v Length) ([]byte, error) {
			if v < 0 {
				return nil, errors.New("negative")
			}
			return binary.AppendUvarint(dst, uint64(v)), nil
		},
		func(src []byte) (Length, error) {
			v, n := binary.Uvarint(src)
			if n != len(src) || n > 1 && src[n-1] == 0 || v > 1<<63-1 {
				return 0, errors.New("no uvarint")
			}
			return Length(v), nil
		})
	raw, err := lengths.Append(nil, 300)
	fmt.Printf("%x %v\n", raw, err)
	_, err = lengths.Append(nil, -1)
	fmt.Println(errors.Is(err, codec.ErrUnencodable), err)
	_, err = lengths.Decode([]byte{0x80})
	fmt.Println(errors.Is(err, codec.ErrMalformed), err)
	// Output:
	// ac02 <nil>
	// true codec "length": value has no encoding: negative
	// true codec "length": malformed encoding: 1 bytes: no uvarint
}

func ExampleBinary() {
	addresses := codec.Binary[netip.Addr]("addr", 1)
	raw, err := addresses.Append(nil, netip.MustParseAddr("192.0.2.1"))
	fmt.Printf("%x %v\n", raw, err)
	// Output: c0000201 <nil>
}

// Clearing all that belongs to "a" must not touch what belongs to "ab".
func ExampleAppendEscaped() {
	a := codec.AppendEscaped(nil, []byte("a"))
	ab := codec.AppendEscaped(nil, []byte("ab"))
	zero := codec.AppendEscaped(nil, []byte("a\x00"))
	fmt.Printf("%x %x %x\n", a, ab, zero)
	fmt.Println(bytes.HasPrefix(ab, a), bytes.Compare(a, zero), bytes.Compare(zero, ab))

	raw, rest, err := codec.SplitEscaped(nil, append(zero, "more"...))
	fmt.Printf("%q %q %v\n", raw, rest, err)
	// Output:
	// 610001 61620001 6100ff0001
	// false -1 -1
	// "a\x00" "more" <nil>
}

// Keep a struct as a key: encodings sort by the first field, then by the second.
func ExampleStruct_order() {
	type Seat struct {
		Row    int32
		Letter string
	}
	seats := codec.Struct("seat", 1,
		codec.Field("row", func(s *Seat) *int32 { return &s.Row }, codec.Int[int32]()),
		codec.Field("letter", func(s *Seat) *string { return &s.Letter }, codec.String[string]()))
	fmt.Println(seats.Compare(Seat{9, "F"}, Seat{10, "A"}), seats.Compare(Seat{10, "B"}, Seat{10, "A"}))
	// Output: -1 1
}

// Another field gives a codec another ID, so a restore refuses the old encodings.
func ExampleID() {
	type User struct{ Name, City string }
	name := codec.Field("name", func(u *User) *string { return &u.Name }, codec.String[string]())
	city := codec.Field("city", func(u *User) *string { return &u.City }, codec.String[string]())
	before, after := codec.Struct("user", 1, name), codec.Struct("user", 2, name, city)
	fmt.Println(before.ID())
	fmt.Println(after.ID())
	fmt.Println(before.ID() == after.ID())
	// Output:
	// user/1(name:string/1)
	// user/2(name:string/1,city:string/1)
	// false
}
