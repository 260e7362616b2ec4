package redistest

import "testing"

func TestSentinel(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t, 1)
	if len(s.Addrs()) != 3 || s.Addrs()[2] != s.Watcher(2).Addr() || s.Primary() != s.Server(0) {
		t.Fatalf("Sentinels at %v, primary %v", s.Addrs(), s.Primary())
	}
	want(t, s.Primary(), "OK", "SET", "a", "1")
	Until(t, "the replica has it", func() bool {
		got, _ := s.Server(1).Do("GET", "a")
		return got == "1"
	})
	old := s.Failover()
	if old != s.Server(0) || old.Up() || s.Primary() != s.Server(1) {
		t.Fatal("the replica is not the primary")
	}
	want(t, s.Primary(), "1", "GET", "a")

	old.Restart()
	want(t, old, "OK", "SET", "a", "written to the old primary")
	old.Kill()
	want(t, s.Primary(), "OK", "SET", "a", "2")
	s.Rejoin(old)
	want(t, old, "2", "GET", "a")
	if _, err := old.Do("SET", "a", "3"); err == nil {
		t.Fatal("the old primary takes writes")
	}
	s.Watcher(0).Pause()
	Until(t, "two Sentinels are enough", func() bool { // on a busy machine they may choose again meanwhile
		p := s.Primary()
		return p != nil && p.Up()
	})
}
