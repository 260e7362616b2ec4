package redistest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// proxied is a server with a proxy in front of it.
func proxied(t *testing.T, o Options) (*Server, *Proxy) {
	t.Helper()
	s := Start(t, o)
	return s, NewProxy(t, s.Addr())
}

// connect connects for the time of the test; each command may take so long.
func connect(t *testing.T, p *Proxy, timeout time.Duration) *conn {
	t.Helper()
	c, err := dial(p.Addr(), nil, timeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func says(t *testing.T, c *conn, reply any, args ...string) {
	t.Helper()
	got, err := c.do(args...)
	if err != nil || got != reply {
		t.Fatalf("%s: %v (%v), want %v", strings.Join(args, " "), got, err, reply)
	}
}

// cut expects that the connection ends with this command.
func cut(t *testing.T, c *conn, args ...string) {
	t.Helper()
	got, err := c.do(args...)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%s: %v (%v), want the end of the connection", strings.Join(args, " "), got, err)
	}
}

func TestProxyPasses(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, Options{})
	c := connect(t, p, 5*time.Second)
	big := strings.Repeat("x\r\n", 1<<20)
	says(t, c, "OK", "SET", "big", big)
	says(t, c, big, "GET", "big")
	says(t, c, nil, "GET", "nothing")
	if _, err := c.do("HELLO", "3"); err == nil || !strings.Contains(err.Error(), "no reply of RESP2") {
		t.Fatalf("RESP3 begins with %v", err) // a map, which passes although we do not read it
	}
	if p.Seen("get") != 2 || p.Seen("SET") != 1 || p.Seen("DEL") != 0 {
		t.Fatalf("seen: %v", p.seen)
	}
	other := Start(t, Options{})
	p.Target(other.Addr())
	says(t, connect(t, p, time.Second), nil, "GET", "big")
	s.Kill()
	p.Target(s.Addr())
	cut(t, connect(t, p, time.Second), "PING")
}

func TestProxyOfPipelinesAndSubscriptions(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, Options{})
	c := connect(t, p, time.Second)
	if _, err := io.WriteString(c, strings.Repeat("INCR n\r\n\r\n", 1000)+"SUBSCRIBE a b\r\n"); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if n, err := readReply(c.r); err != nil || n != int64(i+1) {
			t.Fatalf("reply %d: %v (%v)", i, n, err)
		}
	}
	want(t, s, int64(0), "PUBLISH", "nobody", "x")
	for _, kind := range []string{"subscribe", "subscribe"} {
		if got, err := readReply(c.r); err != nil || got.([]any)[0] != kind {
			t.Fatalf("%v (%v), want %s", got, err, kind)
		}
	}
	want(t, s, int64(1), "PUBLISH", "b", "x")
	if got, err := readReply(c.r); err != nil || got.([]any)[2] != "x" {
		t.Fatalf("%v (%v), want the message", got, err)
	}
}

func TestProxyOfReplicationAndTLS(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, Options{})
	replica := Start(t, Options{})
	_, port, _ := net.SplitHostPort(p.Addr())
	want(t, replica, "OK", "REPLICAOF", host, port)
	if err := replica.inSync(); err != nil {
		t.Fatal(err)
	}
	want(t, s, "OK", "SET", "a", "1")
	Until(t, "the replica has it", func() bool {
		got, _ := replica.Do("GET", "a")
		return got == "1"
	})

	secured, front := proxied(t, Options{TLS: true})
	_, config := secured.TLS()
	c, err := dial(front.Addr(), config, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	says(t, c, "PONG", "PING")
	front.CutAll()
	cut(t, c, "PING")
}

func TestProxyDelays(t *testing.T) {
	t.Parallel()
	_, p := proxied(t, Options{})
	c := connect(t, p, 5*time.Second)
	const d = 50 * time.Millisecond
	p.Delay(d)
	from := time.Now()
	if _, err := io.WriteString(c, strings.Repeat("PING\r\n", 40)); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		if _, err := readReply(c.r); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(from); took < 2*d || took > 20*d { // what is sent together is late together
		t.Fatalf("took %s", took)
	}
	p.Pass()
	from = time.Now()
	says(t, c, "PONG", "PING")
	if took := time.Since(from); took >= 2*d {
		t.Fatalf("took %s without a delay", took)
	}
}

func TestProxyRefusesAndCuts(t *testing.T) {
	t.Parallel()
	_, p := proxied(t, Options{})
	c := connect(t, p, time.Second)
	says(t, c, "PONG", "PING")
	p.Refuse(true)
	if _, err := dial(p.Addr(), nil, time.Second); err == nil {
		t.Fatal("it accepts")
	}
	says(t, c, "PONG", "PING")
	p.CutAll()
	cut(t, c, "PING")
	p.Pass()
	says(t, connect(t, p, time.Second), "PONG", "PING")
}

func TestProxyCutsAfterBytes(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, Options{})
	c := connect(t, p, time.Second)
	says(t, c, "OK", "SET", "a", "12345")
	p.CutAfter(ToClient, 6) // $5 and two bytes
	if _, err := io.WriteString(c, "GET a\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c.r); string(got) != "$5\r\n12" {
		t.Fatalf("%q (%v) came through", got, err)
	}
	c = connect(t, p, time.Second) // it has happened: this one is whole
	says(t, c, "12345", "GET", "a")
	p.CutAfter(ToServer, 40)
	says(t, c, "PONG", "PING") // 14 bytes
	cut(t, c, "SET", "a", "67890")
	want(t, s, "12345", "GET", "a")
}

func TestProxyHoldsReplies(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, Options{})
	c := connect(t, p, 100*time.Millisecond)
	p.Hold(ToClient, true)
	if _, err := c.do("INCR", "n"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a held reply: %v", err)
	}
	want(t, s, "1", "GET", "n") // it was done all the same
	p.Hold(ToClient, false)
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := readReply(c.r); err != nil || n != int64(1) {
		t.Fatalf("the late reply: %v (%v)", n, err)
	}

	p.Hold(ToServer, true)
	if _, err := c.do("INCR", "n"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a held command: %v", err)
	}
	want(t, s, "1", "GET", "n")
	p.CutAll()
	p.Pass()
	want(t, s, "1", "GET", "n") // what was on its way is gone
}

// While replies are held, not even the end of the server is heard of.
func TestProxyHoldsTheEnd(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, Options{})
	c := connect(t, p, 100*time.Millisecond)
	says(t, c, "PONG", "PING")
	p.Hold(ToClient, true)
	s.Kill()
	for range 3 {
		if _, err := c.do("PING"); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("behind a silent wire: %v", err)
		}
	}
	p.Pass()
	cut(t, c, "PING")
}

func TestProxySwallowsAReply(t *testing.T) {
	t.Parallel()
	s, p := proxied(t, Options{})
	c := connect(t, p, time.Second)
	script := "return redis.call('INCR', KEYS[1])"
	sha, err := c.do("SCRIPT", "LOAD", script)
	if err != nil {
		t.Fatal(err)
	}
	swallowed := p.Swallow(2, "evalsha", sha.(string))
	says(t, c, int64(1), "EVALSHA", sha.(string), "1", "n")
	says(t, c, "1", "GET", "n")
	select {
	case <-swallowed:
		t.Fatal("too early")
	default:
	}
	// What was asked before it in one go is answered.
	if _, err := io.WriteString(c, "GET n\r\nEVALSHA "+sha.(string)+" 1 n\r\n"); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(c.r); string(got) != "$1\r\n1\r\n" {
		t.Fatalf("%q came through", got)
	}
	<-swallowed
	want(t, s, "2", "GET", "n")
	says(t, connect(t, p, time.Second), int64(3), "EVALSHA", sha.(string), "1", "n")
}

func TestProxyWritesByteByByte(t *testing.T) {
	t.Parallel()
	_, p := proxied(t, Options{})
	p.OneBytePerWrite(true)
	c := connect(t, p, 5*time.Second)
	says(t, c, "OK", "SET", "a", strings.Repeat("x", 2000))
	says(t, c, strings.Repeat("x", 2000), "GET", "a")
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for _, m := range []struct{ raw, words string }{
		{"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "GET a"},
		{"SET a 1\r\n", "SET a 1"},
		{"\r\n", ""},
		{"*0\r\n", ""},
		{"*-1\r\n", ""},
		{"$-1\r\n", ""},
		{"-ERR no\r\n", "ERR no"},
		{"*2\r\n*1\r\n:7\r\n$0\r\n\r\n", "7 "},
		{"%1\r\n+a\r\n#t\r\n", "a t"},
		{">2\r\n$1\r\na\r\n_\r\n", "a "},
		{"=5\r\ntxt:a\r\n", "txt:a"},
	} {
		raw, words, err := readMessage(bufio.NewReader(strings.NewReader(m.raw + "+next\r\n")))
		if err != nil || string(raw) != m.raw || strings.Join(words, " ") != m.words {
			t.Errorf("%q: %q, %q (%v)", m.raw, raw, words, err)
		}
	}
	for _, raw := range []string{"", "*x\r\n", "$x\r\n", "$5\r\nab", "*2\r\n+a\r\n"} {
		if _, _, err := readMessage(bufio.NewReader(strings.NewReader(raw))); err == nil {
			t.Errorf("%q is a message", raw)
		}
	}
}
