"""Table tests run a second time, against dynalite instead of moto's DynamoDB."""
