"""Tests of the tables again, with dynalite in place of moto's DynamoDB: a second opinion."""
