package redistest

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// A node of a cluster also listens on the port that lies so far above.
const toBus = 10000

// listen listens on a port that lies below those which the kernel gives to
// outgoing connections. So nobody gets the port while its server is down for a
// moment, and no client that dials it then meets itself.
func listen() (net.Listener, error) {
	for range 200 {
		port := 10000 + rand.IntN(toBus)
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			continue
		}
		bus, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port+toBus)))
		if err != nil {
			l.Close()
			continue
		}
		bus.Close()
		return l, nil
	}
	return nil, errors.New("no port between 10000 and 20000 is free")
}

// freePort answers a port on which nobody listens now.
func freePort() (int, error) {
	l, err := listen()
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
