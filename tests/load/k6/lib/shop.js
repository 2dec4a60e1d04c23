// @ts-check
// What the scripts share: where the shop is, who its customers are, how the app asks.
import http from 'k6/http';
import { check } from 'k6';
import { SharedArray } from 'k6/data';

export const BASE = __ENV.BASE_URL || 'http://127.0.0.1:8000';

/**
 * Tokens of customers who signed in beforehand: `python -m tests.load customers --out customers.json`. The path must be
 * absolute: k6 looks beside this script for others. Scripts of strangers need none.
 */
export const customers = new SharedArray('customers', () => /** @type {{accessToken: string}[]} */ (__ENV.CUSTOMERS ? JSON.parse(open(__ENV.CUSTOMERS)) : []));

export const HOME = {
  fullName: 'Asha Rao', phoneNumber: '9876543210', addressLine1: '12 Orchard Road', city: 'Pune',
  state: 'Maharashtra', pinCode: '411001', country: 'India', type: 'home',
};

/** The promises of a release: 99 % within 200 ms, one failure in a thousand at most. */
export const thresholds = { http_req_failed: ['rate<0.001'], http_req_duration: ['p(99)<200'], checks: ['rate>0.999'] };

/**
 * One request as the app makes it; its `data`, or null when it failed.
 * @param {'GET' | 'POST' | 'DELETE'} method
 * @param {string} path below /api/v1
 * @param {{body?: object, token?: string, key?: string, name?: string}} [more]
 * @returns {any}
 */
export function ask(method, path, more = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: 'application/json', 'Content-Type': 'application/json' };
  if (more.token) headers.Authorization = `Bearer ${more.token}`;
  if (more.key) headers['X-Idempotency-Key'] = more.key;
  const body = more.body ? JSON.stringify(more.body) : null;
  const answer = http.request(method, `${BASE}/api/v1${path}`, body, { headers, tags: { name: `${method} ${more.name || path}` } });
  const good = check(answer, { 'status is 2xx': (got) => got.status >= 200 && got.status < 300 });
  return good ? /** @type {any} */ (answer.json('data')) : null;
}

/** A customer for this virtual user. */
export function me() {
  if (!customers.length) throw new Error('say who the customers are: -e CUSTOMERS=$PWD/customers.json');
  return customers[(__VU - 1) % customers.length];
}

/**
 * @template T
 * @param {readonly T[]} items
 * @returns {T}
 */
export function any(items) {
  return items[Math.floor(Math.random() * items.length)];
}
