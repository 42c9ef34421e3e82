package protocodec

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/weirstate/weir/state/codec"
)

func TestMessageSurvivesTheRoundTrip(t *testing.T) {
	c := New[structpb.Struct](1)
	m, err := structpb.NewStruct(map[string]any{"origin": "JFK", "delay": 12.5, "empty": nil})
	require.NoError(t, err)
	encoded, err := c.Append([]byte("before"), m)
	require.NoError(t, err)
	size, err := c.Size(m)
	require.NoError(t, err)
	require.Len(t, encoded, len("before")+int(size))
	decoded, err := c.Decode(encoded[len("before"):])
	require.NoError(t, err)
	require.True(t, proto.Equal(m, decoded))
}

func TestMessageTypesHaveIdentitiesOfTheirOwn(t *testing.T) {
	require.Equal(t, codec.ID{Name: "protobuf-google.protobuf.Duration", Version: 3}, New[durationpb.Duration](3).ID())
	require.NotEqual(t, New[structpb.Struct](1).ID(), New[durationpb.Duration](1).ID())
}

// A decoded message has a state of its own, which a message that was encoded need not have.
func TestMessageDoesNotCountAsAValueThatRoundTrips(t *testing.T) {
	require.False(t, codec.RoundTrips(New[structpb.Struct](1)))
	require.False(t, codec.RoundTrips(codec.Slice(New[structpb.Struct](1))))
}

func TestMalformedMessageIsAnError(t *testing.T) {
	_, err := New[durationpb.Duration](1).Decode([]byte{0xff})
	require.ErrorIs(t, err, codec.ErrMalformed)
}

func TestNilMessageIsAnEmptyOne(t *testing.T) {
	c := New[durationpb.Duration](1)
	encoded, err := c.Append(nil, nil)
	require.NoError(t, err)
	decoded, err := c.Decode(encoded)
	require.NoError(t, err)
	require.True(t, proto.Equal(&durationpb.Duration{}, decoded))
}
