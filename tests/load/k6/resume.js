// @ts-check
// The network is back: every app comes to the front at once and asks for five things together. CUSTOMERS as in orders.js.
import http from 'k6/http';
import { check } from 'k6';
import { BASE, me, thresholds as promises } from './lib/shop.js';

/** @type {import('k6/options').Options} */
export const options = {
  scenarios: { burst: { executor: 'per-vu-iterations', vus: 1000, iterations: 3, maxDuration: '2m' } },
  thresholds: promises,
};

export default function () {
  const headers = { Authorization: `Bearer ${me().accessToken}` };
  const paths = ['/users/profile', '/cart', '/orders?page=1&limit=10', '/products?page=1&limit=20', '/categories'];
  const answers = http.batch(paths.map((path) => ({ method: 'GET', url: `${BASE}/api/v1${path}`, params: { headers } })));
  for (const answer of answers) check(answer, { 'status is 200': (got) => got.status === 200 });
}
