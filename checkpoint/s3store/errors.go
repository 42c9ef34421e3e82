package s3store

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/weirstate/weir/checkpoint"
)

var (
	// ErrBucket is returned when the bucket does not exist at the endpoint and in the region, or
	// when the endpoint does not answer as S3 does. It is not fs.ErrNotExist: nothing is known
	// about the objects.
	ErrBucket = errors.New("the bucket does not exist at this endpoint and region, or the endpoint is not S3")

	// ErrConditional is returned by Open for a server that ignores If-None-Match. Add
	// single-writer=true to the URL, or set Options.SingleWriter, if only one process writes.
	ErrConditional = errors.New("the server does not support If-None-Match: add single-writer=true to the URL if only one process writes")

	// ErrClock is returned when the server refuses requests because the clocks differ.
	ErrClock = errors.New("the clock of this machine and that of the server differ")

	// ErrChecksum is returned when data was damaged on its way to the server or from it, in
	// every attempt.
	ErrChecksum = errors.New("checksum mismatch between client and server")

	// ErrCredentials is returned when the configuration chain has no usable credentials.
	ErrCredentials = errors.New("no credentials for S3: set them in the environment, a shared configuration file or a role")

	// ErrUnavailable is returned when no attempt of a request was answered, or the server
	// answered each with an error of its own. The outcome of a write is then unknown.
	ErrUnavailable = errors.New("the server is not available")

	// ErrChanged is returned when an open object was replaced by another program.
	ErrChanged = errors.New("the object has changed since it was opened")

	// ErrUploadGone is returned by Commit when the multipart upload of the object was aborted by
	// another program, or by a rule of the bucket.
	ErrUploadGone = errors.New("the multipart upload was aborted")

	// ErrSettings is returned by Open when the settings object of the prefix is damaged or was
	// written by a newer program.
	ErrSettings = errors.New("the settings of the prefix cannot be read")
)

// errEmptyAnswer is the error for an answer without content. An empty listing would make a job begin
// without state, and an empty answer to CompleteMultipartUpload does not say that the object exists.
var errEmptyAnswer = errors.New("the answer has no content")

// reasons maps codes of errors to the errors that callers check.
var reasons = map[string]error{
	"NoSuchKey":    fs.ErrNotExist,
	"NoSuchUpload": ErrUploadGone,
	"NoSuchBucket": ErrBucket, "PermanentRedirect": ErrBucket, "AuthorizationHeaderMalformed": ErrBucket,
	"RequestTimeTooSkewed": ErrClock, "RequestExpired": ErrClock,
	"BadDigest": ErrChecksum, "InvalidDigest": ErrChecksum, "XAmzContentSHA256Mismatch": ErrChecksum,
	"XAmzContentChecksumMismatch": ErrChecksum,
	"EntityTooLarge":              syscall.ENOSPC, "QuotaExceeded": syscall.ENOSPC, "InsufficientStorage": syscall.ENOSPC,
	"XMinioStorageFull": syscall.ENOSPC, "XMinioAdminBucketQuotaExceeded": syscall.ENOSPC, "StorageFull": syscall.ENOSPC,
	"AccessDenied": fs.ErrPermission, "AllAccessDisabled": fs.ErrPermission, "AccountProblem": fs.ErrPermission,
	"InvalidAccessKeyId": fs.ErrPermission, "SignatureDoesNotMatch": fs.ErrPermission,
	"ExpiredToken": fs.ErrPermission, "InvalidToken": fs.ErrPermission, "InvalidSecurity": fs.ErrPermission,
	"NotSignedUp": fs.ErrPermission, "XAdminUserNotFound": fs.ErrPermission, // the latter: versitygw
}

// credentialCodes are the codes for credentials that the server does not know or accept.
var credentialCodes = []string{
	"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidSecurity", "NotSignedUp",
	"XAdminUserNotFound",
}

// reasonOfStatus returns the error that callers check for a status whose code is not in reasons.
func reasonOfStatus(status int) error {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fs.ErrPermission
	case status == http.StatusNotFound:
		return ErrBucket // a missing object has the code NoSuchKey
	case status == http.StatusInsufficientStorage:
		return syscall.ENOSPC
	case status >= 500 || status == http.StatusTooManyRequests:
		return ErrUnavailable
	}
	return nil
}

// requestError is a failed request. Its text has the code of the server's answer, and never the
// message or the URL of the request: a server may repeat signed headers in its message. The errors
// of the SDK, with the message, are available through errors.As.
type requestError struct {
	text    string
	reasons []error // errors that callers check
	err     error   // of the SDK; nil if it matches an error that callers check without that meaning
}

// Error returns the text.
func (e *requestError) Error() string {
	text := e.text
	for _, reason := range e.reasons {
		if reason != nil {
			text += ": " + reason.Error()
		}
	}
	return text
}

// Unwrap returns the errors that callers check, and the error of the SDK.
func (e *requestError) Unwrap() []error {
	all := e.reasons[:len(e.reasons):len(e.reasons)]
	if e.err != nil {
		all = append(all, e.err)
	}
	return all
}

// failure describes an error of the SDK. ctx is the context of the request.
func failure(ctx context.Context, err error) error {
	e := &requestError{err: err}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) { // such as a missing file of certificates
		e.err = nil
	}
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		e.text = operation.OperationName + ": "
	}
	switch status, code := statusOf(err), codeOf(err); {
	case ctx.Err() != nil:
		e.text += "canceled"
		e.reasons = []error{context.Cause(ctx), ctx.Err()}
		if errors.Is(e.reasons[0], e.reasons[1]) {
			e.reasons = e.reasons[:1]
		}
	case isUnsigned(err):
		e.text += "not signed"
		e.add(ErrCredentials)
	case code != "":
		e.text += answer(code, status, err)
		if slices.Contains(credentialCodes, code) {
			e.text += ", check the credentials"
		}
		reason, known := reasons[code]
		if !known || reason == fs.ErrNotExist && operation != nil && operation.OperationName != "GetObject" {
			reason = reasonOfStatus(status)
		}
		e.add(reason)
	case isCut(err):
		e.text += "the answer ends early"
		e.add(ErrUnavailable)
	case status != 0:
		e.text += fmt.Sprintf("status %d without an S3 error", status)
		e.add(cmp.Or(reasonOfStatus(status), ErrUnavailable))
	case isChecksum(err):
		e.text += "response"
		e.add(ErrChecksum)
	case isUnresolved(err):
		e.text += "the region or the endpoint is not valid"
		e.add(checkpoint.ErrInvalidOption)
	default:
		e.text += transportText(err)
		e.add(ErrUnavailable)
	}
	return e
}

// add adds a reason unless it is nil.
func (e *requestError) add(reason error) {
	if reason != nil {
		e.reasons = append(e.reasons, reason)
	}
}

// codeOf returns the code of the server's answer, or "" if it has not answered.
func codeOf(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}

// statusOf returns the HTTP status of the server's answer, or 0.
func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

// answer returns the text for an answer of the server.
func answer(code string, status int, err error) string {
	text := fmt.Sprintf("%s, status %d", plain(code), status)
	var request interface{ ServiceRequestID() string }
	if errors.As(err, &request) && request.ServiceRequestID() != "" {
		text += ", request " + plain(request.ServiceRequestID())
	}
	return text
}

// plain returns the letters and digits at the beginning of a text from the server, at most 40. A
// code or an ID of a request has no other bytes.
func plain(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
	if end >= 0 {
		text = text[:end]
	}
	return cut(text, 40)
}

// transportText returns the text of an error without an answer. The text of the SDK and of
// net/http contains the URL of the request.
func transportText(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err.Error()
	}
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		return operation.Err.Error()
	}
	return err.Error()
}

// isUnsigned reports whether a request was not sent because there are no credentials. The request
// by which the SDK asked for credentials may have an answer, which is not that of S3.
func isUnsigned(err error) bool {
	var signing *v4.SigningError
	var request, credentials *smithy.OperationError
	if errors.As(err, &signing) {
		return true
	}
	return errors.As(err, &request) &&
		(strings.HasPrefix(request.Err.Error(), "get identity: ") || errors.As(request.Err, &credentials))
}

// isUnresolved reports whether the SDK could not compute the address of a server. Its error has no type.
func isUnresolved(err error) bool {
	text := err.Error()
	return strings.Contains(text, "failed to resolve service endpoint") || strings.Contains(text, "invalid input region")
}

// isChecksum reports whether the SDK has found a wrong checksum in a response. The type of its error
// is internal.
func isChecksum(err error) bool { return strings.Contains(err.Error(), "checksum did not match") }

// isCut reports whether the answer ended early, and so its meaning is unknown.
func isCut(err error) bool {
	var syntax *xml.SyntaxError
	return codeOf(err) == "" && statusOf(err) != 0 &&
		(errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &syntax) && syntax.Msg == "unexpected EOF")
}

// isConflict reports whether the server has refused a write because the object exists.
func isConflict(err error) bool {
	return codeOf(err) == "PreconditionFailed" || statusOf(err) == http.StatusPreconditionFailed
}

// isInvalidRange reports whether the server has refused a range that is not in the object.
func isInvalidRange(err error) bool {
	return codeOf(err) == "InvalidRange" || statusOf(err) == http.StatusRequestedRangeNotSatisfiable
}

// isNoSuchUpload reports whether a multipart upload is completed, aborted or unknown.
func isNoSuchUpload(err error) bool { return codeOf(err) == "NoSuchUpload" }

// isNotFound reports whether the answer to a HEAD request is that there is no such object. The
// answer has no body, so a missing bucket looks the same.
func isNotFound(err error) bool { return statusOf(err) == http.StatusNotFound }

// failed returns an error that names an object.
func (s *Store) failed(ctx context.Context, op, name string, err error) error {
	if err == nil {
		return nil
	}
	var described *requestError
	var operation *smithy.OperationError
	if errors.As(err, &operation) && !errors.As(err, &described) {
		err = failure(ctx, err)
	}
	if errors.Is(err, ErrBucket) {
		err = fmt.Errorf("%s: %w", s.place(), err)
	}
	return &fs.PathError{Op: op, Path: s.url(name), Err: err}
}
