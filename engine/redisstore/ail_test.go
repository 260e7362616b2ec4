package redisstore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
)

// A run that another program has written over is named and left alone, whatever
// it waits for; the others of its partition go on, and so does it once it is
// restored.
func TestARunThatAnotherProgramTakesHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	now := time.Unix(1_800_000_000, 0)
	s := open(t, redisstore.Options{Addrs: []string{server.Addr()}, Partitions: 1, Work: true, Now: func() time.Time { return now }})
	defer s.Close()
	claim := func() (runs, damage []string) {
		t.Helper()
		claimed, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 10, Last: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range claimed.Strands {
			runs = append(runs, st.Run)
		}
		for _, err := range claimed.Damage {
			if !errors.Is(err, engine.ErrDamaged) {
				t.Errorf("%v is no damage", err)
			}
			damage = append(damage, err.Error())
		}
		slices.Sort(runs)
		return runs, damage
	}
	waits := begins(t, s, "waits").Run
	runs, _ := claim()
	lease := engine.Lease{Run: waits, Token: token(t, server, waits)}
	if _, err := s.Settle(t.Context(), engine.Settlement{Request: "wait", Lease: lease, Then: engine.Then{Wait: &engine.Wait{For: time.Second, On: "x"}}}); err != nil || len(runs) != 1 {
		t.Fatal(runs, err)
	}
	leased := begins(t, s, "leased").Run
	if runs, _ := claim(); len(runs) != 1 {
		t.Fatal(runs)
	}
	due := begins(t, s, "due").Run
	taken := map[string]string{}
	for _, run := range []string{waits, leased, due} {
		was, err := server.Do("EVAL", "local was = redis.call('DUMP', KEYS[1]) redis.call('SET', KEYS[1], 'theirs') return was", "1", "stanch:1:{00}:s:"+run)
		if err != nil {
			t.Fatal(err)
		}
		taken[run] = was.(string)
	}
	if renewed, err := s.Renew(t.Context(), []engine.Lease{{Run: leased, Token: "t"}}, 10*time.Second); err != nil || len(renewed.Lost) > 0 {
		t.Errorf("renew: %+v, %v", renewed, err)
	}
	if _, err := s.Run(t.Context(), due); !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), "s:"+due) {
		t.Errorf("the run can be read: %v", err)
	}
	other := begins(t, s, "other").Run
	now = now.Add(15 * time.Second) // the timer fires, the lease ends
	runs, damage := claim()
	if !slices.Equal(runs, []string{other}) || len(damage) != 3 {
		t.Errorf("claimed %v, want %s; damage %q", runs, other, damage)
	}
	for run, was := range taken {
		key := "stanch:1:{00}:s:" + run
		if !strings.Contains(fmt.Sprint(damage), key) {
			t.Errorf("%s is not named in %q", key, damage)
		}
		if is, err := server.Do("GET", key); is != "theirs" {
			t.Errorf("%s is %v, %v", key, is, err)
		}
		if _, err := server.Do("RESTORE", key, "0", was, "REPLACE"); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(time.Minute)
	runs, _ = claim()
	want := []string{waits, leased, due, other}
	if slices.Sort(want); !slices.Equal(runs, want) {
		t.Errorf("claimed %v, want %v", runs, want)
	}
}

// token is the token under which the root of a run is held.
func token(t *testing.T, server *redistest.Server, run string) string {
	t.Helper()
	held, err := server.Do("HGET", "stanch:1:{00}:s:"+run, "k")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(held)
}

// Of a run that somebody has deleted nothing is made anew.
func TestADeletedRunIsNamed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Options{})
	s := open(t, redisstore.Options{Addrs: []string{server.Addr()}, Partitions: 1, Work: true})
	defer s.Close()
	key := "stanch:1:{00}:s:" + begins(t, s, "a").Run
	do(t, server, "DEL "+key)
	claimed, err := s.Claim(t.Context(), engine.Claim{Worker: "w", Max: 10, Last: time.Minute})
	if err != nil || len(claimed.Strands) > 0 || !strings.Contains(fmt.Sprint(claimed.Damage), key) {
		t.Errorf("%d strands, damage %v, %v", len(claimed.Strands), claimed.Damage, err)
	}
	if n, err := server.Do("EXISTS", key); err != nil || n != int64(0) {
		t.Errorf("it is there again: %v, %v", n, err)
	}
}
