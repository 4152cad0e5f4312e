// Redirect URIs, origins and audiences: what is taken, and every hostile form that is not.
import { describe, expect, it } from 'vitest';
import { audienceProblem, originProblem, redirectUriProblem, webAddressProblem } from '../../src/lib/url.ts';

const kinds = ['web', 'spa', 'native'] as const;

describe('redirectUriProblem', () => {
  it.each([
    ['web', 'https://app.example/callback'],
    ['web', 'https://app.example'],
    ['web', 'https://app.example/callback?tenant=a&next=%2Fhome'],
    ['web', 'https://app.example:8443/callback'],
    ['web', 'http://localhost:3000/callback'],
    ['web', 'http://127.0.0.1/callback'],
    ['web', 'http://[::1]:4000/callback'],
    ['spa', 'https://app.example/'],
    ['spa', 'http://localhost:5173/'],
    ['native', 'com.example.app:/callback'],
    ['native', 'com.example.app://callback'],
    ['native', 'http://127.0.0.1/callback'],
    ['native', 'http://[::1]/callback'],
    ['native', 'https://app.example/claimed'],
  ] as const)('takes for a %s client %s', (kind, uri) => {
    expect(redirectUriProblem(uri, kind)).toBeUndefined();
  });

  it.each([
    'https://app.example/callback#fragment',
    'https://app.example/callback#',
    'https://*.app.example/callback',
    'https://app.example/*',
    'https://user@app.example/callback',
    'https://user:password@app.example/callback',
    'https://@app.example/callback',
    'https://app.example@evil.example/callback',
    'http://app.example/callback',
    'http://localhost.evil.example/callback',
    'http://127.0.0.1.evil.example/callback',
    'http://127.1/callback',
    'http://0x7f000001/callback',
    'http://2130706433/callback',
    'http://0.0.0.0/callback',
    'http://192.168.0.1/callback',
    'https:app.example/callback',
    'https:///app.example/callback',
    'https:/app.example/callback',
    'https:\\\\app.example\\callback',
    'https://app.example\\@evil.example/',
    'https://APP.example/callback',
    'HTTPS://app.example/callback',
    'https://app.example:443/callback',
    'https://app.example/a/../callback',
    'https://app.example/%2e%2e/callback',
    'https://app.example./callback',
    'https://app.example/call back',
    'https://app.example/call\tback',
    'https://app.example/\ncallback',
    ' https://app.example/callback',
    'https://app.example/\u0000',
    'https://bücher.example/callback',
    'https://app.example/ü',
    'https://',
    '//app.example/callback',
    '/callback',
    'app.example/callback',
    '',
    'javascript:alert(1)',
    'javascript://app.example/%0aalert(1)',
    'JavaScript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'vbscript:x',
    'file:///etc/passwd',
    'blob:https://app.example/x',
    'about:blank',
    'ftp://app.example/',
    'ws://app.example/',
    'myapp:/callback',
    'myapp://callback',
    'urn:ietf:wg:oauth:2.0:oob',
    'com.example.app:callback',
    'COM.example.app:/callback',
    'com.example.app://user@callback/',
    'com.example.app:/callback#x',
    `https://app.example/${'a'.repeat(2000)}`,
  ])('refuses for every kind %j', (uri) => {
    for (const kind of kinds) expect(redirectUriProblem(uri, kind)).toEqual(expect.any(String));
  });

  it.each(['web', 'spa'] as const)('refuses private-use schemes for a %s client', (kind) => {
    expect(redirectUriProblem('com.example.app:/callback', kind)).toContain('https');
  });

  it('refuses https on a loopback host for a native app', () => {
    expect(redirectUriProblem('https://localhost/callback', 'native')).toContain('http');
  });
});

describe('originProblem', () => {
  it.each(['https://app.example', 'https://app.example:8443', 'http://localhost:5173'])(
    'takes %s',
    (origin) => {
      expect(originProblem(origin)).toBeUndefined();
    },
  );

  it.each([
    '*',
    'null',
    'https://app.example/',
    'https://*.example',
    'http://app.example',
    'https://u@app.example',
    'app',
  ])('refuses %s', (origin) => {
    expect(originProblem(origin)).toEqual(expect.any(String));
  });
});

describe('webAddressProblem', () => {
  it('takes https and loopback http, and nothing that a browser would run', () => {
    expect(webAddressProblem('https://app.example/logo.svg')).toBeUndefined();
    expect(webAddressProblem('http://localhost:4000/logout')).toBeUndefined();
    expect(webAddressProblem('javascript:alert(1)')).toBeDefined();
    expect(webAddressProblem('http://app.example/')).toBeDefined();
  });
});

describe('audienceProblem', () => {
  it.each([
    'https://api.example',
    'https://api.example/v1',
    'http://api.internal:8080/x',
    'urn:example:orders',
  ])('takes %s', (audience) => {
    expect(audienceProblem(audience)).toBeUndefined();
  });

  it.each([
    'orders',
    'https://api.example/#x',
    'urn:',
    'urn:example',
    'mailto:a@b.example',
    '/v1',
    'https://u@api.example',
    '',
  ])('refuses %j', (audience) => {
    expect(audienceProblem(audience)).toEqual(expect.any(String));
  });
});
