// Package protocodec is the codec of protobuf messages, by the protobuf
// library. It is a module of its own, so that the library is a dependency only
// of programs that use it.
package protocodec

import (
	"google.golang.org/protobuf/proto"

	"github.com/weirstate/weir/state/codec"
)

// Message is a message type: a pointer to a generated struct.
type Message[T any] interface {
	*T
	proto.Message
}

// New encodes messages deterministically, by their wire format. The name is
// "protobuf-" and the full name of the message; raise version when the meaning of
// the bytes changes in a way that protobuf's own rules do not cover. A nil
// message is encoded as an empty one.
//
// The wire format of equal messages may differ between versions of the
// protobuf library, so the codec is not for keys.
func New[T any, M Message[T]](version uint32) codec.Codec[M] {
	name := string(M(new(T)).ProtoReflect().Descriptor().FullName())
	return codec.Func("protobuf-"+name, version,
		func(dst []byte, m M) ([]byte, error) {
			return proto.MarshalOptions{Deterministic: true}.MarshalAppend(dst, m)
		},
		func(src []byte) (M, error) {
			m := M(new(T))
			err := proto.Unmarshal(src, m)
			return m, err
		})
}
