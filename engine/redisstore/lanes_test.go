package redisstore_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// laneRun begins a run in a lane, about one subject.
func laneRun(t *testing.T, s *redisstore.Store, lane int) {
	t.Helper()
	in := engine.Begin{Request: strconv.FormatInt(prefixes.Add(1), 10), Playbook: "p", Subject: "s", Edition: "e", Mode: "live", Lane: lane}
	if _, err := s.Begin(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// laneClaim claims with room in lanes, and answers how many strands it got.
func laneClaim(t *testing.T, s *redisstore.Store, room ...int) int {
	t.Helper()
	in := engine.Claim{Worker: "w", Max: 10, Last: time.Minute}
	if room != nil {
		in.Room = (*[engine.Lanes]int)(room)
	}
	c, err := s.Claim(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return len(c.Strands)
}

// Whoever has room in a lane hears of what becomes due in it, whoever else has
// none; and nobody is told again and again of a lane that is full for all.
func TestWhoIsToldOfALane(t *testing.T) {
	server := single(t)
	now := time.Now()
	o := redisstore.Options{Addrs: []string{server.Addr()}, Work: true, Prefix: "told" + strconv.FormatInt(prefixes.Add(1), 10), Now: func() time.Time { return now }}
	full, free := open(t, o), open(t, o)
	defer full.Close()
	defer free.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	sub := client.Subscribe(t.Context(), o.Prefix+":1:wake")
	defer sub.Close()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	heard := sub.Channel()
	told := func(want bool, what string) {
		t.Helper()
		if err := client.Publish(t.Context(), o.Prefix+":1:wake", "mark").Err(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for m := range heard {
			if m.Payload == "mark" {
				break
			}
			n++
		}
		if n > 1 || want != (n == 1) {
			t.Errorf("%s: told %d times, it must be told: %v", what, n, want)
		}
	}
	gets := func(s *redisstore.Store, want int, room ...int) {
		t.Helper()
		if got := laneClaim(t, s, room...); got != want {
			t.Errorf("%d strands are claimed, it must be %d", got, want)
		}
	}
	lane := func(n int) { t.Helper(); laneRun(t, full, n) }
	gets(full, 0, 9, 9, 9, 0)
	gets(free, 0)
	lane(3)
	told(true, "the first in the full lane, for the other waits for it")
	lane(0)
	told(false, "nobody has claimed since")
	gets(full, 1, 9, 9, 9, 0)
	lane(3)
	told(false, "the full lane, of which who waits knows")
	lane(1)
	told(true, "another lane, behind the full one")
	gets(full, 1, 9, 9, 9, 0)
	gets(full, 0, 9, 9, 9, 0)
	free.Hint("s") // it has heard of it
	gets(free, 2, 9, 9, 9, 9)
	lane(3)
	told(true, "the lane is empty again")
	gets(full, 0, 9, 9, 9, 0)
	gets(full, 1, 9, 9, 9, 1)
	lane(3)
	told(true, "who has filled a lane does not know of what comes later")
	gets(full, 0, 9, 9, 9, 0)
	gets(full, 0, 0, 0, 0, 0)
	lane(3)
	told(false, "nor twice")
	gets(full, 2)
}

// An older worker is told of every lane, and asks to be; so mixed versions lose
// nothing.
func TestWhoIsToldByAnOlderWorker(t *testing.T) {
	server := single(t)
	now := time.Now()
	o := redisstore.Options{Addrs: []string{server.Addr()}, Work: true, Prefix: "old" + strconv.FormatInt(prefixes.Add(1), 10), Now: func() time.Time { return now }}
	s := open(t, o)
	defer s.Close()
	laneRun(t, s, 3)
	laneClaim(t, s, 9, 9, 9, 0)
	keys, err := server.Do("KEYS", o.Prefix+":1:{*}:q3")
	if err != nil {
		t.Fatal(err)
	}
	tag := fmt.Sprint(keys)
	tag = tag[1 : len(tag)-len("q3]")]
	if w, err := server.Do("HGET", tag+"m", "w"); err != nil || fmt.Sprint(w) != "l012" {
		t.Errorf("asked is for %v, %v, it must be all lanes but the full one", w, err)
	}
	if _, err := server.Do("HSET", tag+"m", "w", "1"); err != nil { // as it does
		t.Fatal(err)
	}
	laneRun(t, s, 3)
	if w, err := server.Do("HGET", tag+"m", "w"); err != nil || fmt.Sprint(w) != "0" {
		t.Errorf("after a strand has become due asked is for %v, %v, it must be none", w, err)
	}
}

// Two workers, one of which has no room in a lane: what becomes due there wakes
// the other, and what it leaves is taken when there is room.
func TestAFullLaneWakesOthers(t *testing.T) {
	server := redistest.Start(t, redistest.Options{})
	o := redisstore.Options{Addrs: []string{server.Addr()}, Work: true}
	full, free := open(t, o), open(t, o)
	defer full.Close()
	defer free.Close()
	for range 2 {
		laneClaim(t, full, 9, 9, 9, 0)
		laneClaim(t, free)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	got := make(chan int)
	go func() {
		n := 0
		for n == 0 && ctx.Err() == nil {
			if err := free.Wait(ctx, time.Time{}); err != nil {
				break
			}
			c, err := free.Claim(ctx, engine.Claim{Worker: "w", Max: 10, Last: time.Minute})
			if err != nil {
				break
			}
			n = len(c.Strands)
		}
		got <- n
	}()
	laneRun(t, full, 3)
	laneClaim(t, full, 9, 9, 9, 0)
	if n := <-got; n != 1 {
		t.Errorf("the other gets %d strands, it must be the one", n)
	}
	laneRun(t, free, 3)
	if n := laneClaim(t, full, 9, 9, 9, 0); n != 0 {
		t.Errorf("%d strands of a full lane are claimed", n)
	}
	redistest.Until(t, "what was left is taken", func() bool { return laneClaim(t, full, 9, 9, 9, 1) == 1 })
}
