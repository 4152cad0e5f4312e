// Where a request comes from: the peer, or what the trusted proxies in front of us say it is.
import type { IncomingMessage } from 'node:http';
import { addressRanges, normalizeAddress } from '../../lib/ip.ts';

export type ClientAddress = (req: IncomingMessage) => string | null;

/** With no trusted proxy, X-Forwarded-For is never looked at: anybody can send it. */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  if (trustedProxies.length === 0) return peerAddress;
  const trusted = addressRanges(trustedProxies);
  return (req) => {
    const peer = peerAddress(req);
    const forwarded = req.headers['x-forwarded-for'];
    if (peer === null || forwarded === undefined || !trusted.includes(peer)) return peer;
    return walkBack(String(forwarded).split(','), peer, trusted.includes);
  };
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

/**
 * Whether what a request says of itself (its id, its trace) is believed: from a trusted proxy, and from this machine when
 * no proxy stands in between. A stranger could plant the id of another request in the ledger.
 */
export function createPeerTrust(trustedProxies: readonly string[]): (req: IncomingMessage) => boolean {
  const proxies = addressRanges(trustedProxies);
  const loopback = addressRanges(LOOPBACK);
  return (req) => {
    const peer = peerAddress(req);
    if (peer === null) return false;
    if (proxies.includes(peer)) return true;
    return loopback.includes(peer) && req.headers['x-forwarded-for'] === undefined;
  };
}

/** Right to left: each proxy appended the address it saw, so the first one we do not trust is the client. */
function walkBack(chain: string[], peer: string, isTrusted: (address: string) => boolean): string {
  let last = peer;
  for (const entry of chain.reverse()) {
    const address = normalizeAddress(entry);
    if (address === undefined) return last;
    last = address;
    if (!isTrusted(address)) return last;
  }
  return last;
}

function peerAddress(req: IncomingMessage): string | null {
  const address = req.socket.remoteAddress;
  return address === undefined ? null : (normalizeAddress(address) ?? null);
}
