// @ts-check
// An order rush: k6 run -e BASE_URL=https://staging.example -e CUSTOMERS=$PWD/customers.json tests/load/k6/orders.js
import { check, sleep } from 'k6';
import { HOME, any, ask, me, thresholds as promises } from './lib/shop.js';

/** @type {import('k6/options').Options} */
export const options = {
  scenarios: {
    rush: {
      executor: 'ramping-arrival-rate',
      startRate: 10,
      timeUnit: '1s',
      preAllocatedVUs: 200,
      maxVUs: 2000,
      stages: [
        { target: 500, duration: '1m' },
        { target: 500, duration: '5m' },
        { target: 0, duration: '30s' },
      ],
    },
  },
  thresholds: promises,
};

/** @typedef {{id: string, stock: number, price: number, minOrderQuantity: number, maxOrderQuantity: number}} Product */

const LEAST = 250; // rupees: more than the least that a shop takes

/** @returns {{productId: string, quantity: number}[]} lines that are an order each */
export function setup() {
  /** @type {Product[]} */
  const products = ask('GET', '/products?page=1&limit=100', { name: '/products' }).products;
  return products
    .filter((one) => one.stock > 100 && Math.ceil(LEAST / one.price) <= one.maxOrderQuantity)
    .map((one) => ({ productId: one.id, quantity: Math.max(Math.ceil(LEAST / one.price), one.minOrderQuantity) }));
}

/** @param {{productId: string, quantity: number}[]} lines */
export default function (lines) {
  const { accessToken: token } = me();
  const line = any(lines);
  const body = { items: [line], deliveryAddress: HOME, paymentMethod: 'cod' };
  const key = `k6-${__VU}-${__ITER}-${Date.now()}`;
  ask('POST', '/cart/items', { token, body: line });
  const first = ask('POST', '/orders', { token, body, key });
  if (first && Math.random() < 0.1) {
    const again = ask('POST', '/orders', { token, body, key, name: '/orders (again)' });
    check(again, { 'one key makes one order': (got) => got !== null && got.order.id === first.order.id });
  }
  ask('GET', '/orders?page=1&limit=10', { token, name: '/orders' });
  sleep(Math.random());
}
