"""The two clouds' request signatures, against the vendor's worked example and values made by the vendors' own SDKs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from functions.channels.codecs import acs3, tc3

AT = datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC)


def signature(headers: dict[str, str]) -> str:
    return headers["authorization"].rpartition("Signature=")[2]


def test_alibabas_worked_example_is_reproduced():
    """https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature, section of fixed values."""
    image = "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"
    headers = acs3.signed_headers(
        host="ecs.cn-shanghai.aliyuncs.com",
        action="RunInstances",
        version="2014-05-26",
        query=acs3.query_string({"RegionId": "cn-shanghai", "ImageId": image}),
        body=b"",
        key_id="YourAccessKeyId",
        secret="YourAccessKeySecret",
        at=AT,
        nonce="3156853299f313e23d1673dc12e1703d",
    )
    assert signature(headers) == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    assert headers["authorization"].startswith(
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature="
    )


def test_a_signature_is_that_of_alibabas_own_sdk():
    """By alibabacloud-openapi-util 0.2.4, `get_authorization`."""
    parameters = {
        "PhoneNumbers": "13800138000",
        "SignName": "阿里云短信测试",
        "TemplateCode": "SMS_154950909",
        "TemplateParam": '{"content":"您好 ~ *+&=/"}',
        "OutId": "a.b-c_d",
    }
    headers = acs3.signed_headers(
        host="dysmsapi.aliyuncs.com",
        action="SendSms",
        version="2017-05-25",
        query=acs3.query_string(parameters),
        body=b"",
        key_id="testid",
        secret="testsecret",
        at=AT,
        nonce="n0nce",
    )
    assert signature(headers) == "00c4d3c0afb8a4dbd52a9a00282cc7a93f0fa749d0142535213bc2e9a50e9bb6"


def test_a_signature_is_that_of_tencents_own_sdk():
    """By tencentcloud-sdk-python-common 3.1.195, `AbstractClient._get_tc3_signature`."""
    asked = {
        "PhoneNumberSet": ["+8613800138000"],
        "SmsSdkAppId": "1400006666",
        "TemplateId": "1110",
        "SignName": "腾讯云",
        "TemplateParamSet": ["您好"],
    }
    headers = tc3.signed_headers(
        host="sms.tencentcloudapi.com",
        action="SendSms",
        version="2021-01-11",
        region="ap-guangzhou",
        body=json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode(),
        secret_id="AKIDEXAMPLE",
        secret_key="secretkeyexample",
        at=datetime(2019, 2, 25, 16, 44, 25, tzinfo=UTC),
    )
    assert headers["x-tc-timestamp"] == "1551113065"
    assert signature(headers) == "9c97b433fb8dc46379797da31ee8f4f0f63d15a216a27567cf3ecb8e2bca37d0"
