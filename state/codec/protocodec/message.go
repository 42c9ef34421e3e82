// Package protocodec has a codec for protobuf messages. It is a module of its own, so that only
// programs that use it depend on the protobuf library.
package protocodec

import (
	"google.golang.org/protobuf/proto"

	"github.com/weirstate/weir/state/codec"
)

// Message is the constraint of New: a pointer to a generated message struct.
type Message[T any] interface {
	*T
	proto.Message
}

// New returns the codec of a protobuf message type. The encoding is the wire format, written
// deterministically. The name of the codec is "protobuf-" and the full name of the message.
// Increment version when the meaning of the bytes changes in a way that the rules of protobuf do
// not cover. A nil message is encoded as an empty message.
//
// The codec must not be used for keys: versions of the protobuf library may write different bytes
// for equal messages.
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
