"""Events through RabbitMQ (ADR 13): all that knows AMQP. Imported only where a broker is configured."""
