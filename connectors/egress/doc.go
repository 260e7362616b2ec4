// Package egress is the guard of requests whose address a playbook chose. Such
// an address may come from an incident, so from whoever made the incident: it
// must not reach what only this machine can reach.
//
// What is judged is the address that is dialled, after names were resolved, at
// every connection and so on every redirect. Refused is whatever is not a public
// unicast address: private, shared (carrier-grade NAT), loopback, link-local,
// unique-local, multicast, unspecified, reserved and documentation addresses;
// the metadata services of clouds; addresses of this very machine; and IPv6
// addresses that stand for such an IPv4 address. A name with one such address
// among others is refused whole. What is not known is refused.
//
// The operator may open networks, and may narrow the names that can be asked.
// The addresses that the operator configured (Dialer.Trusted) are the
// operator's word and are not judged.
//
// # Through a proxy
//
// With a proxy it is the proxy that dials. The name is resolved and judged here
// first, then the proxy is asked (CONNECT, also for plain HTTP) for the address
// that was judged, not for the name: what it dials is what was judged. Some
// proxies let only names through; for them there is Proxy.ByName. Then it
// cannot be promised that the proxy's resolver answers what ours did: whoever
// controls a name can answer the two differently. The proxy has to refuse
// private addresses itself, or the names that may be asked have to be listed.
// Proxies of the environment (HTTPS_PROXY) are not used for guarded requests.
//
// The package knows nothing of HTTP beyond CONNECT, of actions or of
// configuration.
package egress
