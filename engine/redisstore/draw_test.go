package redisstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// What is given back to a budget is given back once, also where the answer to that
// is not heard: others have drawn at the same time.
func TestGivenBackOnce(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	proxy := redistest.NewProxy(t, server.Addr())
	s := open(t, redisstore.Options{Addrs: []string{proxy.Addr()}, Patience: 20 * time.Second})
	defer s.Close()
	windows := []engine.Window{{Units: 100, Per: 24 * time.Hour}}
	draw := func(request string, units int64) engine.Drawn {
		t.Helper()
		drawn, err := s.Draw(t.Context(), engine.Draw{Budget: "b", Request: request, Units: units, Windows: windows, By: "x"})
		if err != nil {
			t.Fatal(err)
		}
		return drawn
	}
	draw("another", 60)
	mine := draw("mine", 40)
	proxy.Swallow(1, "EVALSHA")
	_, err := s.Draw(t.Context(), engine.Draw{Budget: "b", Windows: windows, Back: 15, At: mine.At})
	if err == nil {
		t.Error("the answer was swallowed, and it is said to have come")
	}
	free := 0
	redistest.Until(t, "the store answers again", func() bool {
		_, err := s.Draw(context.WithoutCancel(t.Context()), engine.Draw{Budget: "b"})
		return err == nil
	})
	for draw(fmt.Sprint("free", free), 1).Go {
		free++
	}
	if free != 15 {
		t.Errorf("%d units are free after 15 of 100 were given back", free)
	}
}
